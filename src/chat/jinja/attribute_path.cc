#include "chat/jinja/attribute_path.h"

#include <algorithm>
#include <string>

#include "chat/jinja/interpreter.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {

Value AttributePath::get(Interpreter& in, Value value) const {
  for (const Value& part : parts) {
    value = in.item(value, part);
    if (!in.ok()) {
      return {};
    }
    if (has_default && value.is_undefined()) {
      value = otherwise;
    }
  }
  if (fold_case && value.is_string()) {
    return in.text(unicode::lower(value.str()));
  }
  return value;
}

AttributePath parse_path(Interpreter& in, const Value& attribute, bool fold_case) {
  AttributePath path;
  path.fold_case = fold_case;
  if (attribute.is_none() || attribute.is_undefined()) {
    return path;
  }
  if (!attribute.is_string()) {
    path.parts.push_back(attribute);
    return path;
  }
  std::string_view rest = attribute.str();
  while (true) {
    size_t dot = rest.find('.');
    std::string_view part = rest.substr(0, dot);
    bool number = !part.empty() && part.size() < 10 &&
                  std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number) {
      path.parts.push_back(Value::of_int(std::stoi(std::string(part))));
    } else {
      path.parts.push_back(Value::of_text(part));
    }
    if (dot == std::string_view::npos) {
      return path;
    }
    rest = rest.substr(dot + 1);
    in.step();
  }
}

bool all_items(NativeCall& call, std::vector<Value>& items) {
  return call.in.iterate(call.self, items) && call.in.step(items.size());
}

bool flag(const NativeCall& call, size_t i) { return call.has(i) && truthy(call.arg(i)); }

}  // namespace da::chat::jinja
