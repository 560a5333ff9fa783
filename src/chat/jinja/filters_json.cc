// tojson as chat templates know it (Python's json.dumps, not Jinja's HTML-safe filter), and from_json.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "chat/jinja/interpreter.h"
#include "chat/number_text.h"

namespace da::chat::jinja {
namespace {

constexpr int kMaxDepth = 80;  // only lists that were appended to can be deeper than the values' own limit

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool lines = false;  // with an indent, even an empty one
  std::string indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

void append_json_text(std::string& out, std::string_view text, bool ensure_ascii) {
  char buffer[16];
  out += '"';
  while (!text.empty()) {
    char c = text[0];
    if (static_cast<unsigned char>(c) >= 0x80) {
      utf8::Decoded decoded = utf8::decode_one(text);
      if (!ensure_ascii) {
        out += text.substr(0, decoded.length);
      } else if (decoded.code_point >= 0x10000) {
        auto rest = static_cast<unsigned>(decoded.code_point - 0x10000);
        std::snprintf(buffer, sizeof(buffer), "\\u%04x\\u%04x", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
        out += buffer;
      } else {
        std::snprintf(buffer, sizeof(buffer), "\\u%04x", static_cast<unsigned>(decoded.code_point));
        out += buffer;
      }
      text.remove_prefix(decoded.length);
      continue;
    }
    text.remove_prefix(1);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\b':
        out += "\\b";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || (ensure_ascii && c == 0x7F)) {
          std::snprintf(buffer, sizeof(buffer), "\\u%04x", static_cast<unsigned>(c));
          out += buffer;
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

class JsonWriter {
 public:
  JsonWriter(Interpreter& in, JsonStyle style) : in_(in), style_(std::move(style)) {}

  void write(const Value& value, int depth) {
    if (depth > kMaxDepth || out_.size() > in_.max_text_bytes() || !in_.step()) {
      in_.fail("JSON nests too deeply or grows too large", ErrorCode::kResourceExhausted);
      return;
    }
    switch (value.kind) {
      case Kind::kNone:
        out_ += "null";
        return;
      case Kind::kBool:
        out_ += value.boolean ? "true" : "false";
        return;
      case Kind::kInt:
        out_ += int_text(value.integer);
        return;
      case Kind::kFloat:
        out_ += float_text(value.real);
        return;
      case Kind::kString:
        append_json_text(out_, value.str(), style_.ensure_ascii);
        return;
      case Kind::kSeq: {
        SeqType type = value.seq()->type;
        if (type != SeqType::kList && type != SeqType::kTuple && type != SeqType::kIterator) {
          break;
        }
        std::vector<Value> items;
        if (in_.iterate(value, items)) {
          write_list(items, depth);
        }
        return;
      }
      case Kind::kDict:
        write_dict(*value.dict(), depth);
        return;
      case Kind::kUndefined:
      case Kind::kNamespace:
      case Kind::kCallable:
      case Kind::kLoop:
        break;
    }
    in_.fail("Object of type " + std::string(type_name(value)) + " is not JSON serializable");
  }
  std::string take() { return std::move(out_); }

 private:
  static std::string float_text(double value) {
    return std::isnan(value) ? "NaN" : std::isinf(value) ? (value < 0 ? "-Infinity" : "Infinity") : python_float(value);
  }

  void new_line(int depth) {
    if (!style_.lines) {
      return;
    }
    out_ += '\n';
    for (int i = 0; i < depth; ++i) {
      out_ += style_.indent;
    }
  }

  void write_list(const std::vector<Value>& items, int depth) {
    out_ += '[';
    for (size_t i = 0; i < items.size() && in_.ok(); ++i) {
      if (i > 0) {
        out_ += style_.item_separator;
      }
      new_line(depth + 1);
      write(items[i], depth + 1);
    }
    if (!items.empty()) {
      new_line(depth);
    }
    out_ += ']';
  }

  void write_dict(const Dict& dict, int depth) {
    std::vector<std::pair<Value, Value>> entries = dict.entries;
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto& a, const auto& b) { return in_.ok() && in_.less(a.first, b.first); });
    }
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : entries) {
      if (!in_.ok()) {
        return;
      }
      if (!first) {
        out_ += style_.item_separator;
      }
      first = false;
      new_line(depth + 1);
      write_key(key);
      out_ += style_.key_separator;
      write(value, depth + 1);
    }
    if (!entries.empty()) {
      new_line(depth);
    }
    out_ += '}';
  }

  void write_key(const Value& key) {
    switch (key.kind) {
      case Kind::kString:
        append_json_text(out_, key.str(), style_.ensure_ascii);
        return;
      case Kind::kNone:
        out_ += "\"null\"";
        return;
      case Kind::kBool:
        out_ += key.boolean ? "\"true\"" : "\"false\"";
        return;
      case Kind::kInt:
        out_ += '"' + int_text(key.integer) + '"';
        return;
      case Kind::kFloat:
        out_ += '"' + float_text(key.real) + '"';
        return;
      case Kind::kUndefined:
      case Kind::kSeq:
      case Kind::kDict:
      case Kind::kNamespace:
      case Kind::kCallable:
      case Kind::kLoop:
        break;
    }
    in_.fail("keys must be str, int, float, bool or None, not " + std::string(type_name(key)));
  }

  Interpreter& in_;
  JsonStyle style_;
  std::string out_;
};

Value filter_tojson(NativeCall& call) {
  JsonStyle style;
  style.ensure_ascii = call.has(0) && truthy(call.arg(0));
  style.sort_keys = call.has(3) && truthy(call.arg(3));
  if (call.has(1) && !call.arg(1).is_none()) {
    const Value& indent = call.arg(1);
    style.lines = true;
    style.item_separator = ",";
    if (indent.is_string()) {
      style.indent = indent.str();
    } else if (indent.is_integral()) {
      style.indent.assign(static_cast<size_t>(std::clamp<BigInt>(indent.as_int(), 0, 1000)), ' ');
    } else {
      return call.in.fail_type("number", indent);
    }
  }
  if (call.has(2) && !call.arg(2).is_none()) {
    std::vector<Value> parts;
    if (!call.in.iterate(call.arg(2), parts)) {
      return {};
    }
    if (parts.size() != 2 || !parts[0].is_string() || !parts[1].is_string()) {
      return call.in.fail("separators are a pair of strings");
    }
    style.item_separator = parts[0].str();
    style.key_separator = parts[1].str();
  }
  JsonWriter writer(call.in, std::move(style));
  writer.write(call.self, 0);
  return call.in.ok() ? call.in.text(writer.take()) : Value();
}

Value filter_from_json(NativeCall& call) {
  if (!call.self.is_string()) {
    return call.self.is_undefined() ? call.in.fail_undefined(call.self) : call.in.fail_type("string", call.self);
  }
  std::string_view text = call.self.str();
  call.in.step(text.size() / 16);
  auto json = nlohmann::ordered_json::parse(text, nullptr, false);
  return json.is_discarded() ? call.in.fail("from_json: not JSON") : call.in.from_json(json, true);
}

constexpr NativeSpec kFilters[] = {
    {"tojson", "ensure_ascii,indent,separators,sort_keys", 0, filter_tojson},
    {"from_json", "", 0, filter_from_json},
    {"fromjson", "", 0, filter_from_json},
};

}  // namespace

NativeTable json_filters() { return {kFilters, std::size(kFilters)}; }

}  // namespace da::chat::jinja
