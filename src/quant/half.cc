#include <cstdint>

#include "quant/quant.h"

namespace da::quant {

float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t magnitude = half & 0x7FFF;
  if (magnitude >= 0x7C00) {  // infinity, NaN: keep the payload
    return __builtin_bit_cast(float, sign | 0x7F800000 | (magnitude & 0x3FF) << 13);
  }
  if (magnitude < 0x400) {  // zero, subnormal: magnitude * 2^-24, exact
    return __builtin_bit_cast(float, sign | __builtin_bit_cast(uint32_t, static_cast<float>(magnitude) * 0x1p-24F));
  }
  return __builtin_bit_cast(float, sign | ((magnitude << 13) + (112U << 23)));  // rebias the exponent: 127 - 15
}

uint16_t float_to_half(float value) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return sign | 0x7E00 | static_cast<uint16_t>(magnitude >> 13 & 0x3FF);  // NaN, made quiet
  if (magnitude >= 0x477FF000) return sign | 0x7C00;  // rounds to 65536 or more: infinity
  if (magnitude < 0x38800000) {                       // below 2^-14: subnormal, in units of 2^-24
    // Adding 0.5 leaves the units in the low bits of the sum, rounded to even by the addition itself.
    const float shifted = __builtin_bit_cast(float, magnitude) + 0.5F;
    return sign | static_cast<uint16_t>(__builtin_bit_cast(uint32_t, shifted) - 0x3F000000);
  }
  const uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
  return sign | static_cast<uint16_t>((rounded - (112U << 23)) >> 13);
}

uint16_t float_to_bf16(float value) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>(bits >> 16 | 0x40);  // NaN, made quiet
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

}  // namespace da::quant
