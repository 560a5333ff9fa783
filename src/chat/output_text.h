#pragma once

#include <cstddef>
#include <string_view>

// Small things the parsers of answers share.
namespace da::chat {

constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::string_view kMistralOpen = "[TOOL_CALLS]";
constexpr std::string_view kPythonTag = "<|python_tag|>";
// A call longer than this is text; it also bounds what is held back.
constexpr size_t kMaxCallBytes = size_t{1} << 20;

inline std::string_view trim_left(std::string_view text) {
  size_t first = text.find_first_not_of(kSpaces);
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

inline std::string_view trim(std::string_view text) {
  text = trim_left(text);
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}

inline bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace da::chat
