#pragma once

#include <cstdint>

// What free strings and quotes share: the bytes of JSON's escapes and of UTF-8.
namespace da::grammar {

inline int hex_value(uint8_t byte, bool lower_only) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (!lower_only && byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

// The character a short escape stands for, or -1. '/' is never escaped in the canonical form.
inline int short_escape(uint8_t byte) {
  switch (byte) {
    case '"':
      return '"';
    case '\\':
      return '\\';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return -1;
  }
}

inline bool has_short_escape(uint32_t control) { return (control >= 0x08 && control <= 0x0D && control != 0x0B); }

// After the lead byte of a character: how many bytes follow and the range of the next (Unicode 15, table 3-7).
struct Tail {
  uint32_t remaining = 0, min = 0x80, max = 0xBF;
};
inline Tail tail_of(uint8_t lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {1};
  if (lead == 0xE0) return {2, 0xA0};
  if (lead == 0xED) return {2, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {2};
  if (lead == 0xF0) return {3, 0x90};
  if (lead >= 0xF1 && lead <= 0xF3) return {3};
  if (lead == 0xF4) return {3, 0x80, 0x8F};
  return {0};
}

// Bytes of a character in its canonical form.
inline uint32_t written_bytes(char32_t c) {
  if (c < 0x20) return has_short_escape(c) ? 2 : 6;
  if (c < 0x80) return c == '"' || c == '\\' ? 2 : 1;
  return c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

}  // namespace da::grammar
