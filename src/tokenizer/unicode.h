#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace da::tokenizer {

// Unicode properties the pre-tokenizers ask for, as bits. A code point without any is unassigned.
enum CharClass : uint16_t {
  kLetter = 1,        // \p{L}
  kNumber = 2,        // \p{N}
  kSpace = 4,         // White_Space
  kPunctuation = 8,   // \p{P}
  kSymbol = 16,       // \p{S}
  kMark = 32,         // \p{M}
  kControlLike = 64,  // Cc, Cf, Cs, Co
  kUpper = 128,       // Lu, Lt (letters too)
  kLower = 256,       // Ll (letters too)
  kDecimal = 512,     // Nd (numbers too)
};

namespace detail {
consteval std::array<uint16_t, 128> ascii_classes() {
  std::array<uint16_t, 128> classes{};
  for (char32_t c = 0; c < 128; ++c) {
    uint16_t& found = classes[c];
    if (c >= 'A' && c <= 'Z') {
      found = kLetter | kUpper;
    } else if (c >= 'a' && c <= 'z') {
      found = kLetter | kLower;
    } else if (c >= '0' && c <= '9') {
      found = kNumber | kDecimal;
    } else if (c == '$' || c == '+' || c == '<' || c == '=' || c == '>' || c == '^' || c == '`' || c == '|' ||
               c == '~') {
      found = kSymbol;
    } else if (c > ' ' && c < 0x7F) {
      found = kPunctuation;
    } else {
      found = (c < ' ' || c == 0x7F ? kControlLike : 0) | (c == ' ' || (c >= '\t' && c <= '\r') ? kSpace : 0);
    }
  }
  return classes;
}
inline constexpr std::array<uint16_t, 128> kAsciiClasses = ascii_classes();
}  // namespace detail

// The same from the character database, for all code points.
uint16_t looked_up_class(char32_t code_point);
inline uint16_t char_class(char32_t code_point) {
  return code_point < 128 ? detail::kAsciiClasses[code_point] : looked_up_class(code_point);
}
char32_t to_lower(char32_t code_point);
// The first code point of the canonical decomposition: the letter without its accents.
char32_t base_letter(char32_t code_point);

// Length of a character by its first byte alone, 1 for bytes that start none.
inline size_t char_length(char first) {
  constexpr uint8_t kLengths[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
  return kLengths[static_cast<unsigned char>(first) >> 4];
}

struct Character {
  char32_t code_point;
  uint32_t length;
};

// Decodes the character at `at` of text that made_well_formed() has seen; no checks.
inline Character decode_unchecked(const char* at) {
  const auto byte = [&](int i) { return static_cast<char32_t>(static_cast<unsigned char>(at[i])); };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {(first & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (first < 0xF0) return {(first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(first & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

// Each byte that is part of no well-formed character becomes U+FFFD; surrogates written in three bytes are let through,
// as the reference does. Returns `text` itself if there is nothing to mend, else a view of `storage`.
std::string_view made_well_formed(std::string_view text, std::string& storage);

}  // namespace da::tokenizer
