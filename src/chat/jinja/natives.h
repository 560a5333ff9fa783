#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "chat/jinja/value.h"

namespace da::chat::jinja {

class Interpreter;

// Arguments as the template wrote them.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;
};

// A call of a filter, test, method or global function with its arguments sorted to the parameters.
struct NativeCall {
  Interpreter& in;
  Value self;               // what is filtered, tested, or owns the method
  std::vector<Value> args;  // one a parameter
  std::vector<bool> given;  // whether the parameter was passed
  Arguments raw;            // only of specs with "*"

  bool has(size_t i) const { return given[i]; }
  const Value& arg(size_t i) const { return args[i]; }
};

struct NativeSpec {
  std::string_view name;
  // Names separated by commas, "" for none, "*" for a function that reads `raw` itself.
  std::string_view parameters;
  size_t required;
  Value (*function)(NativeCall& call);
};

// nullptr: there is none of that name.
const NativeSpec* find_filter(std::string_view name);
const NativeSpec* find_test(std::string_view name);
const NativeSpec* find_global(std::string_view name);
// A method of Python's type; for those that must not be called (they change the value) see is_forbidden_method.
const NativeSpec* find_method(const Value& owner, std::string_view name);
bool is_forbidden_method(const Value& owner, std::string_view name);

// The tables, one per source file.
struct NativeTable {
  const NativeSpec* specs;
  size_t count;
};
NativeTable sequence_filters();
NativeTable order_filters();
NativeTable select_filters();
NativeTable text_filters();
NativeTable markup_filters();
NativeTable number_filters();
NativeTable json_filters();
NativeTable test_natives();
NativeTable global_natives();
NativeTable text_methods();
NativeTable text_query_methods();
NativeTable list_methods();
NativeTable tuple_methods();
NativeTable dict_methods();
NativeTable number_methods();

}  // namespace da::chat::jinja
