#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace da::utf8 {

// One decoded code point. On invalid input `code_point` is U+FFFD, `valid` is false and `length` is the size of the
// maximal subpart to skip (Unicode 15, section 3.9), at least 1.
struct Decoded {
  char32_t code_point = 0xFFFD;
  uint8_t length = 1;
  bool valid = false;
};

// Decodes the code point at the front of non-empty `bytes`.
Decoded decode_one(std::string_view bytes);

// Byte offset of the first byte that is not well-formed UTF-8, or nullopt.
std::optional<size_t> find_invalid(std::string_view bytes);
inline bool is_valid(std::string_view bytes) { return !find_invalid(bytes); }

// Code points of `bytes`; each invalid subpart counts as one U+FFFD.
std::vector<char32_t> to_code_points(std::string_view bytes);
size_t count_code_points(std::string_view bytes);

void append(std::string& out, char32_t code_point);
std::string from_code_points(const std::vector<char32_t>& code_points);

// Number of bytes at the end of `bytes` that may be the start of a character still to be completed (0 to 3).
size_t incomplete_suffix(std::string_view bytes);

// Turns a stream of byte pieces into valid UTF-8: holds back at most three bytes of an unfinished character, replaces
// what can never become valid by U+FFFD.
class Assembler {
 public:
  // Valid text that is complete after this piece.
  std::string push(std::string_view piece);
  // What is left at the end: "" or one U+FFFD.
  std::string finish();

 private:
  std::string pending_;
};

}  // namespace da::utf8
