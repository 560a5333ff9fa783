#include "chat/go/value.h"

#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "chat/number_text.h"

namespace da::chat::go {
namespace {

bool is_empty(const Value& value) {
  switch (value.kind) {
    case Kind::kInvalid:
    case Kind::kNil:
      return true;
    case Kind::kBool:
      return !value.boolean;
    case Kind::kInt:
      return value.integer == 0;
    case Kind::kFloat:
      return value.real == 0;
    case Kind::kText:
      return value.text.size == 0;
    case Kind::kList:
      return value.list->items.empty();
    case Kind::kMap:
      return value.map->entries.empty();
    case Kind::kRecord:
      return false;
  }
  return false;
}

void append_json_text(std::string& out, std::string_view text) {
  char buffer[16];
  out += '"';
  while (!text.empty()) {
    utf8::Decoded decoded = utf8::decode_one(text);
    char32_t c = decoded.code_point;
    std::string_view bytes = text.substr(0, decoded.length);
    text.remove_prefix(decoded.length);
    if (!decoded.valid) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f') {
      out += '\\';
      out += c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : c == '\b' ? 'b' : 'f';
    } else if (c < 0x20 || c == '<' || c == '>' || c == '&' || c == 0x2028 || c == 0x2029) {
      std::snprintf(buffer, sizeof(buffer), "\\u%04x", static_cast<unsigned>(c));
      out += buffer;
    } else {
      out += bytes;
    }
  }
  out += '"';
}

}  // namespace

std::string type_name(const Value& value) {
  switch (value.kind) {
    case Kind::kInvalid:
    case Kind::kNil:
      return "<nil>";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float64";
    case Kind::kText:
      return "string";
    case Kind::kList:
      return value.list->type;
    case Kind::kMap:
      return "map[string]interface {}";
    case Kind::kRecord:
      return value.record->type->name;
  }
  return "";
}

bool is_true(const Value& value) { return !is_empty(value); }

bool is_stringer(const Value& value) {
  switch (value.kind) {
    case Kind::kList:
      return value.list->shape != Shape::kPlain;
    case Kind::kMap:
      return value.map->shape != Shape::kPlain;
    case Kind::kRecord:
      return value.record->type->prints_json;
    case Kind::kInvalid:
    case Kind::kNil:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kText:
      return false;
  }
  return false;
}

std::string stringer_text(const Value& value) {
  std::string out;
  if (value.kind == Kind::kList && value.list->shape == Shape::kPropertyType) {
    if (value.list->items.size() == 1) {
      return std::string(value.list->items[0].str());
    }
    if (value.list->items.empty()) {
      return out;
    }
    List plain = *value.list;
    plain.shape = Shape::kPlain;
    append_printed(out, Value::of_list(&plain));
    return out;
  }
  if (value.kind == Kind::kMap && value.map->nil) {
    return "{}";
  }
  append_json(out, value);
  return out;
}

void append_printed(std::string& out, const Value& value, bool top_level) {
  if (is_stringer(value)) {
    out += stringer_text(value);
    return;
  }
  switch (value.kind) {
    case Kind::kInvalid:
    case Kind::kNil:
      out += top_level ? "<no value>" : "<nil>";
      return;
    case Kind::kBool:
      out += value.boolean ? "true" : "false";
      return;
    case Kind::kInt:
      out += std::to_string(value.integer);
      return;
    case Kind::kFloat:
      out += go_float(value.real);
      return;
    case Kind::kText:
      out += value.str();
      return;
    case Kind::kList: {
      out += '[';
      bool first = true;
      for (const Value& item : value.list->items) {
        out += first ? "" : " ";
        first = false;
        append_printed(out, item);
      }
      out += ']';
      return;
    }
    case Kind::kMap: {
      out += "map[";
      bool first = true;
      for (const auto& [key, item] : value.map->entries) {
        out += first ? "" : " ";
        first = false;
        out += key;
        out += ':';
        append_printed(out, item);
      }
      out += ']';
      return;
    }
    case Kind::kRecord: {
      out += '{';
      bool first = true;
      for (const Value& field : value.record->fields) {
        out += first ? "" : " ";
        first = false;
        append_printed(out, field);
      }
      out += '}';
      return;
    }
  }
}

void append_json(std::string& out, const Value& value) {
  switch (value.kind) {
    case Kind::kInvalid:
    case Kind::kNil:
      out += "null";
      return;
    case Kind::kBool:
      out += value.boolean ? "true" : "false";
      return;
    case Kind::kInt:
      out += std::to_string(value.integer);
      return;
    case Kind::kFloat:
      out += std::isfinite(value.real) ? go_json_float(value.real) : "null";
      return;
    case Kind::kText:
      append_json_text(out, value.str());
      return;
    case Kind::kList: {
      const List& list = *value.list;
      if (list.shape == Shape::kPropertyType && list.items.size() == 1) {
        append_json(out, list.items[0]);
        return;
      }
      if (list.nil) {
        out += "null";
        return;
      }
      out += '[';
      for (size_t i = 0; i < list.items.size(); ++i) {
        out += i > 0 ? "," : "";
        append_json(out, list.items[i]);
      }
      out += ']';
      return;
    }
    case Kind::kMap: {
      if (value.map->nil) {
        out += "null";
        return;
      }
      out += '{';
      bool first = true;
      for (const auto& [key, item] : value.map->entries) {
        out += first ? "" : ",";
        first = false;
        append_json_text(out, key);
        out += ':';
        append_json(out, item);
      }
      out += '}';
      return;
    }
    case Kind::kRecord: {
      out += '{';
      bool first = true;
      const Record& record = *value.record;
      for (size_t i = 0; i < record.fields.size(); ++i) {
        const FieldType& field = record.type->fields[i];
        if (field.omit_empty && is_empty(record.fields[i])) {
          continue;
        }
        out += first ? "" : ",";
        first = false;
        append_json_text(out, field.json_name);
        out += ':';
        append_json(out, record.fields[i]);
      }
      out += '}';
      return;
    }
  }
}

}  // namespace da::chat::go
