#pragma once

#include <string_view>
#include <vector>

#include "chat/go/value.h"

namespace da::chat::go {

class Evaluator;

struct Function {
  std::string_view name;
  size_t min_args;
  size_t max_args;
  // `and` and `or` evaluate their arguments one by one and have none.
  Value (*call)(Evaluator& evaluator, const std::vector<Value>& args);
};

inline constexpr size_t kAnyNumber = ~size_t{0};

// nullptr: templates know no such function.
const Function* find_function(std::string_view name);
inline bool is_function(std::string_view name) { return find_function(name) != nullptr; }

// The type of a tool's property in TypeScript; "any" for other values.
std::string typescript_type(const Value& property);

// fmt.Sprintf, Sprint and Sprintln.
std::string sprintf_values(std::string_view format, const std::vector<Value>& args, size_t first, size_t max_bytes);
std::string sprint_values(const std::vector<Value>& args, bool line);

}  // namespace da::chat::go
