#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "chat/jinja/lexer.h"

// Literals as Python writes them. Errors are kCorruptData and do not name the line.
namespace da::chat::jinja {

// The number that begins at `p`, where a digit stands, and the position behind it.
Result<size_t> read_number(std::string_view source, size_t p, Token& token);

// What the body of a string literal means, put behind `out`; an unknown escape stays as written.
Status unescape(std::string_view body, std::string& out);

}  // namespace da::chat::jinja
