#pragma once

#include <algorithm>
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

// What stands before `mark`, taken off the front of `text` together with it; false if it is not there.
inline bool take_until(std::string_view& text, std::string_view mark, std::string_view& before) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return false;
  before = text.substr(0, at);
  text.remove_prefix(at + mark.size());
  return true;
}

// Length of the longest end of `text` that is a proper start of `marker`.
inline size_t partial_suffix(std::string_view text, std::string_view marker) {
  for (size_t length = std::min(text.size(), marker.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == marker.substr(0, length)) return length;
  }
  return 0;
}

inline bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace da::chat
