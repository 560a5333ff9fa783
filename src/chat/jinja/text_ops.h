#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/jinja/value.h"

// Text operations that filters and string methods share.
namespace da::chat::jinja {

class Interpreter;

// Removes the characters (code points) of `set` from the ends.
std::string_view strip_characters(std::string_view text, std::string_view set, bool left, bool right);
// str.splitlines.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);
// str.replace; a negative count means all.
Value replace_text(Interpreter& in, std::string_view text, std::string_view old_text, std::string_view new_text,
                   long long count, bool markup);
enum class Justify { kLeft, kRight, kCenter };
// str.ljust, rjust, center; the width counts code points.
Value justify(Interpreter& in, std::string_view text, long long width, std::string_view fill, Justify side,
              bool markup);
// Python's textwrap.wrap of one line, white space kept as it is.
std::vector<std::string> wrap_line(std::string_view line, size_t width, bool break_long, bool break_hyphens);
// pprint.pformat with a width of 80.
void append_pretty(Interpreter& in, std::string& out, const Value& value, size_t indent, size_t allowance);

}  // namespace da::chat::jinja
