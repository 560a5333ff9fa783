#pragma once

#include <functional>
#include <vector>

#include "chat/jinja/natives.h"
#include "chat/jinja/value.h"

// What filters over items have in common.
namespace da::chat::jinja {

// What an `attribute` argument means: "a.b" walks, numbers are indices; none is the item itself.
struct AttributePath {
  std::vector<Value> parts;
  bool fold_case = false;
  bool has_default = false;
  Value otherwise;

  Value get(Interpreter& in, Value value) const;
};

AttributePath parse_path(Interpreter& in, const Value& attribute, bool fold_case = false);

// The items of what is filtered; false if it has none, or too many.
bool all_items(NativeCall& call, std::vector<Value>& items);

// Whether parameter `i` was passed and is true.
bool flag(const NativeCall& call, size_t i);

}  // namespace da::chat::jinja
