#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/grammar/machine.h"
#include "engine/grammar/string_bytes.h"

// Strings of which each character is written in one way only, and whose next character a `Walk` knows:
//   bool may_close() const
//   StringStep take(char32_t c)                             goes by c and sets the phase to kBody, or kRefused
//   char32_t first_in(char32_t from, char32_t last) const   the first that may follow, or UINT32_MAX
//   uint32_t bytes_left() const                             of a short way to the closing quote's end, from between two
//   uint32_t bytes_left_after(char32_t c) const
namespace da::grammar {

enum CanonicalPhase : uint32_t {
  kQuote,     // expects the opening quote
  kBody,      // between characters
  kUtf8,      // inside a character of several bytes, which are kept in the bits above
  kEscape,    // after a backslash
  kControl0,  // in \u00XX: expects 0, 0, 0 or 1, a digit
  kControl1,
  kControl2,
  kControl3,  // bits above: the digit before, times 16
};

inline constexpr std::string_view kShortEscapes = "\"\\bfnrt";

inline StringStep to_phase(Frame& f, uint32_t phase) {
  f.phase = phase;
  return StringStep::kStays;
}

template <class Walk>
bool has(const Walk& walk, char32_t from, char32_t last) {
  return walk.first_in(from, last) != UINT32_MAX;
}

// The first control character without a short escape.
template <class Walk>
char32_t first_control(const Walk& walk, uint32_t from, uint32_t last) {
  for (uint32_t c = from; c <= last; ++c) {
    if (!has_short_escape(c) && has(walk, c, c)) return c;
  }
  return UINT32_MAX;
}

// A character begun: the bytes so far, and the code points it may become.
struct Begun {
  std::array<uint32_t, 4> bytes{};
  size_t n = 0, length = 0;
  char32_t first = 0, last = 0;
};

// The phase's bytes, first byte highest; n bytes need 8 * n bits above bit 8.
inline Begun begun_of(uint32_t phase) {
  Begun b;
  for (uint32_t packed = phase >> 8; packed != 0; packed >>= 8) ++b.n;
  for (size_t i = 0; i < b.n; ++i) b.bytes[i] = (phase >> (8 * (b.n - i))) & 0xFF;
  return b;
}

inline void find_range(Begun& b) {
  b.length = tail_of(static_cast<uint8_t>(b.bytes[0])).remaining + 1;
  b.first = b.bytes[0] & (0xFFu >> (b.length + 1));
  for (size_t i = 1; i < b.n; ++i) b.first = b.first << 6 | (b.bytes[i] & 0x3F);
  const auto open_bits = static_cast<uint32_t>(6 * (b.length - b.n));
  const char32_t shortest = b.length == 2 ? 0x80 : b.length == 3 ? 0x800 : 0x10000;
  b.last = ((b.first + 1) << open_bits) - 1;
  b.first = std::max<char32_t>(b.first << open_bits, shortest);
}

template <class Walk>
StringStep step_utf8(Walk& walk, Frame& f, uint8_t byte) {
  Begun b = begun_of((f.phase & 0xFF) == kUtf8 ? f.phase : uint32_t{kUtf8});
  b.bytes[b.n++] = byte;
  const Tail tail = tail_of(static_cast<uint8_t>(b.bytes[0]));
  if (tail.remaining == 0) return StringStep::kRefused;
  if (b.n >= 2 && (byte < (b.n == 2 ? tail.min : 0x80) || byte > (b.n == 2 ? tail.max : 0xBF)))
    return StringStep::kRefused;
  find_range(b);
  if (b.n == b.length) return walk.take(b.first);
  if (!has(walk, b.first, b.last)) return StringStep::kRefused;
  return to_phase(f, kUtf8 | ((f.phase >> 8) << 8 | byte) << 8);
}

template <class Walk>
StringStep step_canonical(Walk& walk, Frame& f, uint8_t byte) {
  switch (f.phase & 0xFF) {
    case kQuote:
      return byte == '"' ? to_phase(f, kBody) : StringStep::kRefused;
    case kBody:
      if (byte == '"') return walk.may_close() ? StringStep::kCloses : StringStep::kRefused;
      if (byte < 0x20) return StringStep::kRefused;
      if (byte == '\\') {
        return has(walk, 0, 0x1F) || has(walk, '"', '"') || has(walk, '\\', '\\') ? to_phase(f, kEscape)
                                                                                  : StringStep::kRefused;
      }
      return byte < 0x80 ? walk.take(byte) : step_utf8(walk, f, byte);
    case kUtf8:
      return step_utf8(walk, f, byte);
    case kEscape: {
      if (byte == 'u')
        return first_control(walk, 0, 0x1F) != UINT32_MAX ? to_phase(f, kControl0) : StringStep::kRefused;
      const int c = short_escape(byte);
      return c < 0 ? StringStep::kRefused : walk.take(static_cast<char32_t>(c));
    }
    case kControl0:
      return byte == '0' ? to_phase(f, kControl1) : StringStep::kRefused;
    case kControl1:
      return byte == '0' ? to_phase(f, kControl2) : StringStep::kRefused;
    case kControl2: {
      const uint32_t high = (byte - uint32_t{'0'}) << 4;
      if ((byte != '0' && byte != '1') || first_control(walk, high, high + 15) == UINT32_MAX)
        return StringStep::kRefused;
      return to_phase(f, kControl3 | high << 8);
    }
    default: {
      const int digit = hex_value(byte, true);
      const uint32_t c = (f.phase >> 8) + static_cast<uint32_t>(digit);
      return digit < 0 || has_short_escape(c) ? StringStep::kRefused : walk.take(c);
    }
  }
}

// Not before the opening quote.
template <class Walk>
uint32_t canonical_bytes_left(const Walk& walk, const Frame& f) {
  const auto after = [&](uint32_t bytes, char32_t c) { return std::min(bytes + walk.bytes_left_after(c), kFar); };
  switch (f.phase & 0xFF) {
    case kBody:
      return walk.bytes_left();
    case kUtf8: {
      Begun b = begun_of(f.phase);
      find_range(b);
      return after(static_cast<uint32_t>(b.length - b.n), walk.first_in(b.first, b.last));
    }
    case kEscape: {
      for (const char c : kShortEscapes) {
        const auto meant = static_cast<char32_t>(short_escape(static_cast<uint8_t>(c)));
        if (has(walk, meant, meant)) return after(1, meant);
      }
      return after(5, first_control(walk, 0, 0x1F));
    }
    case kControl0:
      return after(4, first_control(walk, 0, 0x1F));
    case kControl1:
      return after(3, first_control(walk, 0, 0x1F));
    case kControl2:
      return after(2, first_control(walk, 0, 0x1F));
    default:
      return after(1, first_control(walk, f.phase >> 8, (f.phase >> 8) + 15));
  }
}

}  // namespace da::grammar
