#pragma once

#include <string>
#include <string_view>

#include "chat/jinja/natives.h"

namespace da::chat::jinja {

// How one value is laid out: Python's format specification, which printf-style conversions map to.
struct FormatSpec {
  std::string fill = " ";
  char align = '\0';  // < > ^ =; by default text goes left and numbers right
  char sign = '-';    // - + or space
  bool alternate = false;
  char grouping = '\0';  // , or _
  long long width = 0;
  int precision = -1;
  char type = '\0';
};

// Appends a number (type d o x X b c e E f F g G % n or none). False: the type does not fit; an error was raised.
bool append_number(Interpreter& in, std::string& out, const Value& value, const FormatSpec& spec);
// Appends text, cut to the precision and padded to the width.
bool append_aligned(Interpreter& in, std::string& out, std::string_view text, const FormatSpec& spec,
                    char default_align);

// str.format.
Value format_braces(Interpreter& in, const Value& format, const Arguments& arguments);

}  // namespace da::chat::jinja
