#include "chat/go/functions.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "base/utf8.h"
#include "chat/go/evaluator.h"
#include "chat/unicode_text.h"

namespace da::chat::go {
namespace {

using Args = std::vector<Value>;

// The kinds that eq and lt know.
enum class Basic { kBool, kInt, kFloat, kText, kOther };

Basic basic_kind(const Value& value) {
  switch (value.kind) {
    case Kind::kBool:
      return Basic::kBool;
    case Kind::kInt:
      return Basic::kInt;
    case Kind::kFloat:
      return Basic::kFloat;
    case Kind::kText:
      return Basic::kText;
    case Kind::kInvalid:
    case Kind::kNil:
    case Kind::kList:
    case Kind::kMap:
    case Kind::kRecord:
      return Basic::kOther;
  }
  return Basic::kOther;
}

Value incompatible(Evaluator& in, std::string_view function, const Value& a, const Value& b) {
  return in.fail("error calling " + std::string(function) + ": incompatible types for comparison: " + type_name(a) +
                 " and " + type_name(b));
}

// Whether a == b; fails where Go does.
bool equals(Evaluator& in, const Value& a, const Value& b) {
  Basic kind = basic_kind(a);
  if (kind != basic_kind(b)) {
    if (a.has_value() && b.has_value()) {
      incompatible(in, "eq", a, b);
    }
    return false;
  }
  switch (kind) {
    case Basic::kBool:
      return a.boolean == b.boolean;
    case Basic::kInt:
      return a.integer == b.integer;
    case Basic::kFloat:
      return a.real == b.real;
    case Basic::kText:
      in.step(a.text.size / 4096);
      return a.str() == b.str();
    case Basic::kOther:
      break;
  }
  if (!a.has_value() || !b.has_value()) {
    return a.has_value() == b.has_value();
  }
  if (a.kind == Kind::kRecord && b.kind == Kind::kRecord) {
    return a.record == b.record;
  }
  in.fail("error calling eq: non-comparable type: " + type_name(b));
  return false;
}

bool less(Evaluator& in, const Value& a, const Value& b) {
  Basic kind = basic_kind(a);
  if (kind == Basic::kOther || basic_kind(b) == Basic::kOther) {
    in.fail("error calling lt: invalid type for comparison");
    return false;
  }
  if (kind != basic_kind(b)) {
    incompatible(in, "lt", a, b);
    return false;
  }
  switch (kind) {
    case Basic::kInt:
      return a.integer < b.integer;
    case Basic::kFloat:
      return a.real < b.real;
    case Basic::kText:
      in.step(a.text.size / 4096);
      return a.str() < b.str();
    case Basic::kBool:
    case Basic::kOther:
      break;
  }
  in.fail("error calling lt: invalid type for comparison");
  return false;
}

Value call_eq(Evaluator& in, const Args& args) {
  if (args.size() < 2) {
    return in.fail("error calling eq: missing argument for comparison");
  }
  for (size_t i = 1; i < args.size() && in.ok(); ++i) {
    if (equals(in, args[0], args[i])) {
      return Value::of_bool(true);
    }
  }
  return Value::of_bool(false);
}
Value call_ne(Evaluator& in, const Args& args) { return Value::of_bool(!equals(in, args[0], args[1])); }
Value call_lt(Evaluator& in, const Args& args) { return Value::of_bool(less(in, args[0], args[1])); }
bool less_or_equal(Evaluator& in, const Value& a, const Value& b) {
  return less(in, a, b) || (in.ok() && equals(in, a, b));
}
Value call_le(Evaluator& in, const Args& args) { return Value::of_bool(less_or_equal(in, args[0], args[1])); }
Value call_gt(Evaluator& in, const Args& args) { return Value::of_bool(!less_or_equal(in, args[0], args[1])); }
Value call_ge(Evaluator& in, const Args& args) { return Value::of_bool(!less(in, args[0], args[1])); }
Value call_not(Evaluator& /*in*/, const Args& args) { return Value::of_bool(!is_true(args[0])); }

Value call_len(Evaluator& in, const Args& args) {
  switch (args[0].kind) {
    case Kind::kText:
      return Value::of_int(static_cast<int64_t>(args[0].text.size));
    case Kind::kList:
      return Value::of_int(static_cast<int64_t>(args[0].list->items.size()));
    case Kind::kMap:
      return Value::of_int(static_cast<int64_t>(args[0].map->entries.size()));
    case Kind::kInvalid:
    case Kind::kNil:
      return in.fail("error calling len: len of nil pointer");
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kRecord:
      break;
  }
  return in.fail("error calling len: len of type " + type_name(args[0]));
}

// An index of a list or text of `size`; false: an error was raised.
bool index_arg(Evaluator& in, std::string_view function, const Value& index, size_t size, size_t& out) {
  if (!index.has_value()) {
    in.fail("error calling " + std::string(function) + ": cannot index slice/array with nil");
    return false;
  }
  if (index.kind != Kind::kInt) {
    in.fail("error calling " + std::string(function) + ": cannot index slice/array with type " + type_name(index));
    return false;
  }
  if (index.integer < 0 || static_cast<uint64_t>(index.integer) > size) {
    in.fail("error calling " + std::string(function) + ": index out of range: " + std::to_string(index.integer));
    return false;
  }
  out = static_cast<size_t>(index.integer);
  return true;
}

Value call_index(Evaluator& in, const Args& args) {
  Value item = args[0];
  if (!item.has_value()) {
    return in.fail("error calling index: index of untyped nil");
  }
  for (size_t i = 1; i < args.size(); ++i) {
    size_t at = 0;
    switch (item.kind) {
      case Kind::kText:
      case Kind::kList: {
        size_t size = item.kind == Kind::kText ? item.text.size : item.list->items.size();
        if (!index_arg(in, "index", args[i], size, at)) {
          return {};
        }
        if (at == size) {
          return in.fail("error calling index: reflect: slice index out of range");
        }
        item = item.kind == Kind::kText ? Value::of_int(static_cast<unsigned char>(item.text.data[at]))
                                        : item.list->items[at];
        break;
      }
      case Kind::kMap: {
        if (args[i].kind != Kind::kText) {
          return in.fail("error calling index: value has type " + type_name(args[i]) + "; should be string");
        }
        const Value* found = item.map->find(args[i].str());
        item = found == nullptr ? Value::nil() : *found;
        break;
      }
      case Kind::kInvalid:
      case Kind::kNil:
        return in.fail("error calling index: index of nil pointer");
      case Kind::kBool:
      case Kind::kInt:
      case Kind::kFloat:
      case Kind::kRecord:
        return in.fail("error calling index: can't index item of type " + type_name(item));
    }
  }
  return item;
}

Value call_slice(Evaluator& in, const Args& args) {
  const Value& item = args[0];
  if (!item.has_value()) {
    return in.fail("error calling slice: slice of untyped nil");
  }
  if (args.size() > 4) {
    return in.fail("error calling slice: too many slice indexes: " + std::to_string(args.size() - 1));
  }
  if (item.kind != Kind::kText && item.kind != Kind::kList) {
    return in.fail("error calling slice: can't slice item of type " + type_name(item));
  }
  if (item.kind == Kind::kText && args.size() == 4) {
    return in.fail("error calling slice: cannot 3-index slice a string");
  }
  size_t size = item.kind == Kind::kText ? item.text.size : item.list->items.size();
  size_t bounds[3] = {0, size, size};
  for (size_t i = 1; i < args.size(); ++i) {
    if (!index_arg(in, "slice", args[i], size, bounds[i - 1])) {
      return {};
    }
  }
  if (bounds[0] > bounds[1] || bounds[1] > bounds[2]) {
    return in.fail("error calling slice: invalid slice index");
  }
  if (item.kind == Kind::kText) {
    return Value::of_text(item.str().substr(bounds[0], bounds[1] - bounds[0]));
  }
  List* part = in.heap().list();
  part->type = item.list->type;
  part->shape = item.list->shape;
  part->items.assign(item.list->items.begin() + static_cast<std::ptrdiff_t>(bounds[0]),
                     item.list->items.begin() + static_cast<std::ptrdiff_t>(bounds[1]));
  in.heap().charge(part->items.size() * sizeof(Value));
  return in.step(part->items.size() / 64) ? Value::of_list(part) : Value();
}

Value call_call(Evaluator& in, const Args& args) {
  return in.fail(args[0].has_value() ? "error calling call: non-function of type " + type_name(args[0])
                                     : "error calling call: call of nil");
}

Value call_print(Evaluator& in, const Args& args) { return in.text(sprint_values(args, false)); }
Value call_println(Evaluator& in, const Args& args) { return in.text(sprint_values(args, true)); }
Value call_printf(Evaluator& in, const Args& args) {
  if (args[0].kind != Kind::kText) {
    return in.fail("printf: wrong type for value; expected string; got " + type_name(args[0]));
  }
  in.step(args[0].text.size / 16);
  return in.text(sprintf_values(args[0].str(), args, 1, in.max_output_bytes()));
}

Value call_json(Evaluator& in, const Args& args) {
  std::string out;
  append_json(out, args[0]);
  return in.text(std::move(out));
}

// The text that html, js and urlquery work on.
std::string joined(const Args& args) {
  return args.size() == 1 && args[0].kind == Kind::kText ? std::string(args[0].str()) : sprint_values(args, false);
}

Value call_html(Evaluator& in, const Args& args) {
  std::string out;
  for (char c : joined(args)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\0':
        out += "\xEF\xBF\xBD";
        break;
      default:
        out += c;
    }
  }
  return in.text(std::move(out));
}

Value call_js(Evaluator& in, const Args& args) {
  std::string out;
  std::string source = joined(args);
  char buffer[16];
  for (std::string_view rest = source; !rest.empty();) {
    utf8::Decoded decoded = utf8::decode_one(rest);
    char32_t c = decoded.code_point;
    if (c == '\\' || c == '\'' || c == '"') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20 || c == '<' || c == '>' || c == '&' || c == '=' || !unicode::is_printable(c)) {
      std::snprintf(buffer, sizeof(buffer), "\\u%04X", static_cast<unsigned>(c));
      out += buffer;
    } else {
      out += rest.substr(0, decoded.length);
    }
    rest.remove_prefix(decoded.length);
  }
  return in.text(std::move(out));
}

Value call_urlquery(Evaluator& in, const Args& args) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : joined(args)) {
    auto byte = static_cast<unsigned char>(c);
    bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                c == '.' || c == '~';
    if (keep) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return in.text(std::move(out));
}

Value date_text(Evaluator& in, const CivilTime& time) {
  char buffer[48];
  std::snprintf(buffer, sizeof(buffer), "%04d-%02d-%02d", time.year, time.month, time.day);
  return in.text(buffer);
}
Value call_current_date(Evaluator& in, const Args& /*args*/) { return date_text(in, in.now()); }
Value call_yesterday_date(Evaluator& in, const Args& /*args*/) { return date_text(in, in.now().plus_days(-1)); }
Value call_typescript(Evaluator& in, const Args& args) { return in.text(typescript_type(args[0])); }

constexpr Function kFunctions[] = {
    {"and", 1, kAnyNumber, nullptr},
    {"or", 1, kAnyNumber, nullptr},
    {"not", 1, 1, call_not},
    {"eq", 1, kAnyNumber, call_eq},
    {"ne", 2, 2, call_ne},
    {"lt", 2, 2, call_lt},
    {"le", 2, 2, call_le},
    {"gt", 2, 2, call_gt},
    {"ge", 2, 2, call_ge},
    {"len", 1, 1, call_len},
    {"index", 1, kAnyNumber, call_index},
    {"slice", 1, kAnyNumber, call_slice},
    {"call", 1, kAnyNumber, call_call},
    {"print", 0, kAnyNumber, call_print},
    {"println", 0, kAnyNumber, call_println},
    {"printf", 1, kAnyNumber, call_printf},
    {"html", 0, kAnyNumber, call_html},
    {"js", 0, kAnyNumber, call_js},
    {"urlquery", 0, kAnyNumber, call_urlquery},
    {"json", 1, 1, call_json},
    {"currentDate", 0, kAnyNumber, call_current_date},
    {"yesterdayDate", 0, kAnyNumber, call_yesterday_date},
    {"toTypeScriptType", 1, 1, call_typescript},
};

std::string_view typescript_word(std::string_view type) {
  static constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"string", "string"},   {"number", "number"}, {"integer", "number"},
      {"boolean", "boolean"}, {"array", "any[]"},   {"object", "Record<string, any>"},
      {"null", "null"},
  };
  for (const auto& [name, word] : kWords) {
    if (name == type) {
      return word;
    }
  }
  return "any";
}

}  // namespace

const Function* find_function(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kFunctions), std::end(kFunctions), [&](const Function& f) { return f.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

std::string typescript_type(const Value& property) {
  if (property.kind != Kind::kRecord || std::string_view(property.record->type->name) != "api.ToolProperty") {
    return "any";
  }
  // Fields of a property: anyOf first, type second.
  const List* parts = property.record->fields[0].list;
  bool any_of = !parts->items.empty();
  if (!any_of) {
    parts = property.record->fields[1].list;
  }
  std::string out;
  for (const Value& part : parts->items) {
    out += out.empty() ? "" : " | ";
    out += any_of ? typescript_type(part) : std::string(typescript_word(part.str()));
  }
  return out.empty() ? "any" : out;
}

}  // namespace da::chat::go
