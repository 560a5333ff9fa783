#include "quant/coded_blocks.h"

#include <algorithm>
#include <cstring>

#include "base/result.h"
#include "quant/code_books.h"
#include "quant/quant.h"

namespace da::quant {
namespace {

using gguf::TensorType;

uint32_t read_u16(const uint8_t* bytes) { return bytes[0] | static_cast<uint32_t>(bytes[1]) << 8; }
uint32_t read_u32(const uint8_t* bytes) { return read_u16(bytes) | read_u16(bytes + 2) << 16; }
float read_half(const uint8_t* bytes) { return half_to_float(static_cast<uint16_t>(read_u16(bytes))); }

void set_scales(CodedBlock& out, float scale) { std::fill(out.scales, out.scales + 16, scale); }

// `n` coordinates of a point; bit i of `signs` makes coordinate i negative.
void put_signed(const uint8_t* point, int n, uint32_t signs, int8_t* out) {
  for (int i = 0; i < n; ++i) out[i] = static_cast<int8_t>((signs >> i & 1) != 0 ? -point[i] : point[i]);
}

// Q8_1: d, sum (derived, not read), 32 signed bytes.
void unpack_q8_1(const uint8_t* b, CodedBlock& out) {
  set_scales(out, read_half(b));
  std::memcpy(out.codes, b + 4, 32);
}

// Q8_K: d as float32, 256 signed bytes, sums (derived, not read).
void unpack_q8_k(const uint8_t* b, CodedBlock& out) {
  set_scales(out, __builtin_bit_cast(float, read_u32(b)));
  std::memcpy(out.codes, b + 4, 256);
}

// Q1_0: d, 128 bits: set is d, clear -d.
void unpack_q1_0(const uint8_t* b, CodedBlock& out) {
  set_scales(out, read_half(b));
  for (int i = 0; i < 128; ++i) out.codes[i] = (b[2 + i / 8] >> (i % 8) & 1) != 0 ? 1 : -1;
}

// Q2_0: d, 64 codes of two bits for -1, 0, 1, 2.
void unpack_q2_0(const uint8_t* b, CodedBlock& out) {
  set_scales(out, read_half(b));
  for (int i = 0; i < 64; ++i) out.codes[i] = static_cast<int8_t>((b[2 + i / 4] >> (i % 4 * 2) & 3) - 1);
}

// TQ2_0: 64 bytes of two-bit codes for -1, 0, 1 (each 128 values are 32 bytes, as in Q2_K), d.
void unpack_tq2_0(const uint8_t* b, CodedBlock& out) {
  set_scales(out, read_half(b + 64));
  for (int i = 0; i < 256; ++i) {
    out.codes[i] = static_cast<int8_t>((b[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3) - 1);
  }
}

// TQ1_0: a byte is a fraction of 256 whose digits to base 3 are the codes, the first one highest. 32 bytes hold five
// digits for 32 values each, 16 bytes five for 16, 4 bytes four for 4; then d.
void unpack_tq1_0(const uint8_t* b, CodedBlock& out) {
  set_scales(out, read_half(b + 52));
  int8_t* to = out.codes;
  const auto digits = [&](const uint8_t* bytes, int n_bytes, int n_digits) {
    uint8_t power = 1;
    for (int digit = 0; digit < n_digits; ++digit, power = static_cast<uint8_t>(power * 3)) {
      for (int i = 0; i < n_bytes; ++i) {
        const auto rest = static_cast<uint8_t>(bytes[i] * power);
        *to++ = static_cast<int8_t>((rest * 3 >> 8) - 1);
      }
    }
  };
  digits(b, 32, 5);
  digits(b + 32, 16, 5);
  digits(b + 48, 4, 4);
}

// An unsigned float of 4 exponent and 3 fraction bits, bias 7; 0x7F, its NaN, counts as 0.
float ue4m3(uint8_t bits) {
  const int exponent = bits >> 3 & 15, fraction = bits & 7;
  if ((bits & 0x7F) == 0x7F) return 0.0F;
  if (exponent == 0) return static_cast<float>(fraction) * 0x1p-9F;
  return static_cast<float>(8 + fraction) * __builtin_bit_cast(float, static_cast<uint32_t>(exponent - 10 + 127) << 23);
}

// NVFP4: four scales, then 8 bytes for each 16 values: value i in the low half of byte i, value i + 8 in the high half.
void unpack_nvfp4(const uint8_t* b, CodedBlock& out) {
  constexpr int8_t kDoubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  for (int sub = 0; sub < 4; ++sub) {
    out.scales[sub] = ue4m3(b[sub]) * 0.5F;
    for (int i = 0; i < 16; ++i) {
      out.codes[sub * 16 + i] = kDoubled[b[4 + sub * 8 + i % 8] >> (i / 8 * 4) & 15];
    }
  }
}

// IQ2_XXS: d; for each 32 values four point numbers, then a word of four times 7 signs and a 4-bit scale.
void unpack_iq2_xxs(const uint8_t* b, CodedBlock& out) {
  const float d = read_half(b) * 0.125F;
  const CodeBooks& books = code_books();
  for (int part = 0; part < 8; ++part) {
    const uint8_t* from = b + 2 + part * 8;
    const uint32_t word = read_u32(from + 4);
    out.scales[2 * part] = out.scales[2 * part + 1] = d * static_cast<float>(2 * (word >> 28) + 1);
    for (int i = 0; i < 4; ++i) {
      put_signed(books.iq2_xxs[from[i]], 8, even_signs(word >> (7 * i) & 127), out.codes + part * 32 + i * 8);
    }
  }
}

// Scales of IQ2_XS and IQ2_S: 4 bits for each 16 values, the low half first.
void set_iq2_scales(const uint8_t* scales, float d, CodedBlock& out) {
  for (int i = 0; i < 16; ++i) out.scales[i] = d * static_cast<float>(2 * (scales[i / 2] >> (i % 2 * 4) & 15) + 1);
}

// IQ2_XS: d; for each 8 values a 9-bit point number and 7 signs; scales.
void unpack_iq2_xs(const uint8_t* b, CodedBlock& out) {
  set_iq2_scales(b + 66, read_half(b) * 0.125F, out);
  const CodeBooks& books = code_books();
  for (int i = 0; i < 32; ++i) {
    const uint32_t code = read_u16(b + 2 + 2 * i);
    put_signed(books.iq2_xs[code & 511], 8, even_signs(code >> 9), out.codes + i * 8);
  }
}

// IQ2_S: d; 32 low bytes of point numbers; 32 bytes of signs; 8 bytes of two high bits each; scales.
void unpack_iq2_s(const uint8_t* b, CodedBlock& out) {
  set_iq2_scales(b + 74, read_half(b) * 0.125F, out);
  const CodeBooks& books = code_books();
  for (int i = 0; i < 32; ++i) {
    const uint32_t high = b[66 + i / 4] >> (i % 4 * 2) & 3;
    put_signed(books.iq2_s[b[2 + i] | high << 8], 8, b[34 + i], out.codes + i * 8);
  }
}

// IQ3_XXS: d; 64 point numbers; for each 32 values a word as in IQ2_XXS.
void unpack_iq3_xxs(const uint8_t* b, CodedBlock& out) {
  const float d = read_half(b) * 0.25F;
  const CodeBooks& books = code_books();
  for (int part = 0; part < 8; ++part) {
    const uint32_t word = read_u32(b + 66 + part * 4);
    out.scales[2 * part] = out.scales[2 * part + 1] = d * static_cast<float>(2 * (word >> 28) + 1);
    for (int i = 0; i < 8; ++i) {
      const uint32_t signs = even_signs(word >> (7 * (i / 2)) & 127) >> (i % 2 * 4);
      put_signed(books.iq3_xxs[b[2 + part * 8 + i]], 4, signs, out.codes + part * 32 + i * 4);
    }
  }
}

// IQ3_S: d; 64 low bytes of point numbers; 8 bytes of ninth bits; 32 bytes of signs; 4 bytes of 4-bit scales for 32.
void unpack_iq3_s(const uint8_t* b, CodedBlock& out) {
  const float d = read_half(b);
  const CodeBooks& books = code_books();
  for (int part = 0; part < 8; ++part) {
    const int scale = b[106 + part / 2] >> (part % 2 * 4) & 15;
    out.scales[2 * part] = out.scales[2 * part + 1] = d * static_cast<float>(2 * scale + 1);
  }
  for (int i = 0; i < 64; ++i) {
    const uint32_t high = b[66 + i / 8] >> (i % 8) & 1;
    const uint32_t signs = static_cast<uint32_t>(b[74 + i / 2]) >> (i % 2 * 4);
    put_signed(books.iq3_s[b[2 + i] | high << 8], 4, signs, out.codes + i * 4);
  }
}

// Values of IQ1 are a point plus or minus an eighth: in eighths, 8 * coordinate + 1 or - 1.
void put_iq1(const int8_t* point, bool minus, int8_t* out) {
  for (int i = 0; i < 8; ++i) out[i] = static_cast<int8_t>(8 * point[i] + (minus ? -1 : 1));
}

// IQ1_S: d; 32 low bytes of point numbers; for each 32 values 16 bits: four times three high bits, a 3-bit scale, a
// sign.
void unpack_iq1_s(const uint8_t* b, CodedBlock& out) {
  const float d = read_half(b) * 0.125F;
  const CodeBooks& books = code_books();
  for (int part = 0; part < 8; ++part) {
    const uint32_t bits = read_u16(b + 34 + 2 * part);
    out.scales[2 * part] = out.scales[2 * part + 1] = d * static_cast<float>(2 * (bits >> 12 & 7) + 1);
    for (int i = 0; i < 4; ++i) {
      const uint32_t number = b[2 + part * 4 + i] | (bits >> (3 * i) & 7) << 8;
      put_iq1(books.iq1_s[number], (bits & 0x8000) != 0, out.codes + part * 32 + i * 8);
    }
  }
}

// IQ1_M: 32 low bytes of point numbers; for each 8 values three high bits and a sign; four 16-bit words, each with four
// 3-bit scales for 16 values below and a quarter of d's float16 in its top four bits.
void unpack_iq1_m(const uint8_t* b, CodedBlock& out) {
  uint32_t d_bits = 0;
  for (int i = 0; i < 4; ++i) d_bits |= read_u16(b + 48 + 2 * i) >> 12 << (4 * i);
  const float d = half_to_float(static_cast<uint16_t>(d_bits)) * 0.125F;
  const CodeBooks& books = code_books();
  for (int i = 0; i < 16; ++i) {
    out.scales[i] = d * static_cast<float>(2 * (read_u16(b + 48 + i / 4 * 2) >> (i % 4 * 3) & 7) + 1);
  }
  for (int i = 0; i < 32; ++i) {
    const uint32_t bits = b[32 + i / 2] >> (i % 2 * 4) & 15u;
    put_iq1(books.iq1_s[b[i] | (bits & 7) << 8], (bits & 8) != 0, out.codes + i * 8);
  }
}

using Unpack = void (*)(const uint8_t* block, CodedBlock& out);

Unpack unpack_of(TensorType type) {
  switch (type) {
    case TensorType::kQ8_1:
      return unpack_q8_1;
    case TensorType::kQ8_K:
      return unpack_q8_k;
    case TensorType::kQ1_0:
      return unpack_q1_0;
    case TensorType::kQ2_0:
      return unpack_q2_0;
    case TensorType::kTQ1_0:
      return unpack_tq1_0;
    case TensorType::kTQ2_0:
      return unpack_tq2_0;
    case TensorType::kNVFP4:
      return unpack_nvfp4;
    case TensorType::kIQ2_XXS:
      return unpack_iq2_xxs;
    case TensorType::kIQ2_XS:
      return unpack_iq2_xs;
    case TensorType::kIQ2_S:
      return unpack_iq2_s;
    case TensorType::kIQ3_XXS:
      return unpack_iq3_xxs;
    case TensorType::kIQ3_S:
      return unpack_iq3_s;
    case TensorType::kIQ1_S:
      return unpack_iq1_s;
    case TensorType::kIQ1_M:
      return unpack_iq1_m;
    default:
      return nullptr;  // the enum is the file format's
  }
}

}  // namespace

bool is_coded(TensorType type) { return unpack_of(type) != nullptr; }

void unpack_coded(TensorType type, const std::byte* block, CodedBlock& out) {
  const Unpack unpack = unpack_of(type);
  DA_CHECK(unpack != nullptr);
  unpack(reinterpret_cast<const uint8_t*>(block), out);
}

}  // namespace da::quant
