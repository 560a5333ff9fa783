#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// What Python's str knows about characters. Text is UTF-8; positions and lengths in code points are named so.
namespace da::chat::unicode {

bool is_space(char32_t c);
bool is_word(char32_t c);  // \w: letters, numbers, the underscore
bool is_alpha(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);
bool is_numeric(char32_t c);
bool is_lower(char32_t c);
bool is_upper(char32_t c);
bool is_title(char32_t c);
bool is_cased(char32_t c);
bool is_printable(char32_t c);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string title(std::string_view text);       // str.title()
std::string capitalize(std::string_view text);  // first character in title case, the rest lower
std::string swap_case(std::string_view text);
std::string case_fold(std::string_view text);

std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);
std::string_view strip(std::string_view text);

// Byte offset of each code point, and the size of the text at the end.
std::vector<size_t> offsets(std::string_view text);
// Number of code points; invalid bytes count one each maximal subpart.
size_t length(std::string_view text);

}  // namespace da::chat::unicode
