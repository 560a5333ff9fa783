#pragma once

#include <cstdint>

namespace da::quant {

// The points that the IQ formats' codes stand for, before sign and scale.
struct CodeBooks {
  uint8_t iq2_xxs[256][8], iq2_xs[512][8], iq2_s[1024][8];  // coordinates 8, 25, 43
  uint8_t iq3_xxs[256][4];                                  // 4, 12, 20, 28, 36, 44, 52, 62
  uint8_t iq3_s[512][4];                                    // 1, 3, 5 … 15
  int8_t iq1_s[2048][8];                                    // -1, 0, 1
};

// Unpacked on first use; safe from several threads.
const CodeBooks& code_books();

// Signs of 8 values from 7 bits: the eighth makes the number of minus signs even. Bit i set: value i is negative.
inline uint32_t even_signs(uint32_t bits7) { return bits7 | static_cast<uint32_t>(__builtin_parity(bits7)) << 7; }

}  // namespace da::quant
