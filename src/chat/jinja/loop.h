#pragma once

#include <optional>
#include <string>
#include <vector>

#include "chat/jinja/value.h"

namespace da::chat::jinja {

class Interpreter;

// The iteration of a for loop and what the template sees of it as `loop`. Items are pulled one ahead at most, as Python
// does, because a loop's filter may depend on what the body did.
struct Loop : Object {
  Interpreter* in = nullptr;
  const Statement* definition = nullptr;
  Scope* scope = nullptr;  // where the loop stands
  Seq* source = nullptr;   // read in place: appending to it prolongs the loop
  size_t source_position = 0;
  size_t depth0 = 0;
  bool length_known = false;
  size_t length = 0;
  long long index0 = -1;
  std::vector<Value> buffered;  // filtered items pulled to learn the length
  size_t buffered_position = 0;
  std::optional<Value> after;
  bool at_end = false;
  Value before;
  Value current;
  Seq* last_changed = nullptr;

  // The next item that passes the filter; nullopt at the end or on an error of the interpreter.
  std::optional<Value> pull();
  // Moves on; false at the end.
  bool advance();
  const std::optional<Value>& peek();
  size_t count();
  Value attribute(std::string_view name);
  std::string describe() const;
};

}  // namespace da::chat::jinja
