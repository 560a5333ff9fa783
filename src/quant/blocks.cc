#include "quant/blocks.h"

#include <cstring>

#include "base/result.h"

namespace da::quant {
namespace {

using gguf::TensorType;

uint16_t read_u16(const uint8_t* bytes) { return static_cast<uint16_t>(bytes[0] | bytes[1] << 8); }
uint32_t read_u32(const uint8_t* bytes) {
  return bytes[0] | static_cast<uint32_t>(bytes[1]) << 8 | static_cast<uint32_t>(bytes[2]) << 16 |
         static_cast<uint32_t>(bytes[3]) << 24;
}

constexpr uint16_t kHalfSign = 0x8000;

void set_unit_scales(IntegerBlock& out, bool has_min) {
  std::memset(out.scales, 1, sizeof(out.scales));
  std::memset(out.mins, has_min ? 1 : 0, sizeof(out.mins));
}

// 256 codes in runs of 32 that lie alike: code_of(run, i) for each.
template <class CodeOf>
void for_runs(uint8_t* codes, const CodeOf& code_of) {
  for (int run = 0; run < 8; ++run) {
    for (int i = 0; i < 32; ++i) codes[32 * run + i] = static_cast<uint8_t>(code_of(run, i));
  }
}

// 32 values as 16 bytes: value i in the low half of byte i, value i + 16 in the high half.
void unpack_nibbles(const uint8_t* qs, uint8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = qs[i] & 15;
    codes[i + 16] = qs[i] >> 4;
  }
}

// Q4_0: d, 16 bytes. Q4_1: d, m, 16 bytes.
void unpack_q4(const uint8_t* b, bool has_min, IntegerBlock& out) {
  set_unit_scales(out, has_min);
  out.d = read_u16(b);
  if (has_min) out.d_min = read_u16(b + 2) ^ kHalfSign;
  unpack_nibbles(b + (has_min ? 4 : 2), out.codes);
}

// Q5_0: d, 32 fifth bits, 16 bytes. Q5_1: d, m, the same.
void unpack_q5(const uint8_t* b, bool has_min, IntegerBlock& out) {
  set_unit_scales(out, has_min);
  out.d = read_u16(b);
  if (has_min) out.d_min = read_u16(b + 2) ^ kHalfSign;
  b += has_min ? 4 : 2;
  const uint32_t high = read_u32(b);
  unpack_nibbles(b + 4, out.codes);
  for (int i = 0; i < 32; ++i) out.codes[i] |= static_cast<uint8_t>((high >> i & 1) << 4);
}

// Q8_0: d, 32 signed bytes.
void unpack_q8_0(const uint8_t* b, IntegerBlock& out) {
  set_unit_scales(out, false);
  out.d = read_u16(b);
  for (int i = 0; i < 32; ++i) out.codes[i] = b[2 + i] ^ 0x80;
}

// Q2_K: 16 bytes of scale (low half) and min (high half), 64 bytes of codes, d, d_min. Each 128 values are 32 bytes:
// two bits of byte l belong to value 32 * shift + l.
void unpack_q2_k(const uint8_t* b, IntegerBlock& out) {
  for (int j = 0; j < 16; ++j) {
    out.scales[j] = static_cast<int8_t>(b[j] & 15);
    out.mins[j] = b[j] >> 4;
  }
  for_runs(out.codes, [b](int run, int i) { return b[16 + run / 4 * 32 + i] >> (run % 4 * 2) & 3; });
  out.d = read_u16(b + 80);
  out.d_min = read_u16(b + 82);
}

// Q3_K: 32 bytes of third bits (bit i / 32 of byte i % 32), 64 bytes of low bits as in Q2_K, 12 bytes of 6-bit scales
// (low four bits in bytes 0-7, high two in bytes 8-11), d.
void unpack_q3_k(const uint8_t* b, IntegerBlock& out) {
  const uint8_t* scales = b + 96;
  for (int j = 0; j < 16; ++j) {
    const int low = j < 8 ? scales[j] & 15 : scales[j - 8] >> 4;
    const int high = scales[8 + j % 4] >> (j / 4 * 2) & 3;
    out.scales[j] = static_cast<int8_t>((low | high << 4) - 32);
  }
  for_runs(out.codes, [b](int run, int i) {
    const int low = b[32 + run / 4 * 32 + i] >> (run % 4 * 2) & 3;
    return low | (b[i] >> run & 1) << 2;
  });
  out.d = read_u16(b + 108);
}

// The eight 6-bit scales and mins of Q4_K and Q5_K in 12 bytes: 0-3 are the low bits of bytes 0-3 (mins: 4-7); 4-7 have
// their low four bits in bytes 8-11 and their high two on top of those of 0-3.
void unpack_k_scales(const uint8_t* b, IntegerBlock& out) {
  for (int j = 0; j < 4; ++j) {
    out.scales[j] = static_cast<int8_t>(b[j] & 63);
    out.mins[j] = b[j + 4] & 63;
    out.scales[j + 4] = static_cast<int8_t>((b[j + 8] & 15) | b[j] >> 6 << 4);
    out.mins[j + 4] = static_cast<uint8_t>(b[j + 8] >> 4 | b[j + 4] >> 6 << 4);
  }
}

// Q4_K: d, d_min, 12 bytes of scales, 128 bytes: each 64 values are 32 bytes, low halves first.
void unpack_q4_k(const uint8_t* b, IntegerBlock& out) {
  out.d = read_u16(b);
  out.d_min = read_u16(b + 2);
  unpack_k_scales(b + 4, out);
  for_runs(out.codes, [b](int run, int i) { return b[16 + run / 2 * 32 + i] >> (run % 2 * 4) & 15; });
}

// Q5_K: as Q4_K with 32 bytes of fifth bits (bit i / 32 of byte i % 32) before the codes.
void unpack_q5_k(const uint8_t* b, IntegerBlock& out) {
  out.d = read_u16(b);
  out.d_min = read_u16(b + 2);
  unpack_k_scales(b + 4, out);
  for_runs(out.codes, [b](int run, int i) {
    const int low = b[48 + run / 2 * 32 + i] >> (run % 2 * 4) & 15;
    return low | (b[16 + i] >> run & 1) << 4;
  });
}

// Q6_K: 128 bytes of low halves, 64 bytes of high bits, 16 signed scales, d. Each 128 values use 64 low bytes (value i:
// byte i % 64, upper half from 64 on) and 32 high bytes (bits 2 * (i / 32) of byte i % 32).
void unpack_q6_k(const uint8_t* b, IntegerBlock& out) {
  for_runs(out.codes, [b](int run, int i) {
    const int part = run / 4, quarter = run % 4;
    const int low = b[part * 64 + quarter % 2 * 32 + i] >> (quarter / 2 * 4) & 15;
    return low | (b[128 + part * 32 + i] >> (quarter * 2) & 3) << 4;
  });
  std::memcpy(out.scales, b + 192, 16);
  out.d = read_u16(b + 208);
}

// IQ4_NL: as Q4_0; the codes stand for the values of a table.
// IQ4_XS: d, two high bits of eight 6-bit scales, their low four bits, then for each 32 values 16 bytes as in Q4_0.
void unpack_iq4_xs(const uint8_t* b, IntegerBlock& out) {
  out.d = read_u16(b);
  const uint32_t high = read_u16(b + 2);
  for (int j = 0; j < 8; ++j) {
    const uint32_t low = b[4 + j / 2] >> (j % 2 * 4) & 15u;
    out.scales[j] = static_cast<int8_t>(static_cast<int>(low | (high >> (2 * j) & 3) << 4) - 32);
    unpack_nibbles(b + 8 + 16 * j, out.codes + 32 * j);
  }
}

// MXFP4: the exponent e of a scale 2^(e - 127), 16 bytes as in Q4_0. Codes are floats of 4 bits; the table has twice
// their values and d half the scale, 2^(e - 128), which bfloat16 holds for every e (below 2^-126 as a subnormal).
void unpack_mxfp4(const uint8_t* b, IntegerBlock& out) {
  set_unit_scales(out, false);
  out.d = static_cast<uint16_t>(b[0] < 2 ? 0x20 << b[0] : (b[0] - 1) << 7);
  unpack_nibbles(b + 1, out.codes);
}

constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
constexpr int8_t kFp4Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

constexpr IntegerFormat kFormats[] = {
    // type, values, sub-block, zero point, bits, scales, min
    {TensorType::kQ4_0, 32, 32, 8, 4, false, false},
    {TensorType::kQ4_1, 32, 32, 0, 4, false, true},
    {TensorType::kQ5_0, 32, 32, 16, 5, false, false},
    {TensorType::kQ5_1, 32, 32, 0, 5, false, true},
    {TensorType::kQ8_0, 32, 32, 128, 8, false, false},
    {TensorType::kQ2_K, 256, 16, 0, 2, true, true},
    {TensorType::kQ3_K, 256, 16, 4, 3, true, false},
    {TensorType::kQ4_K, 256, 32, 0, 4, true, true},
    {TensorType::kQ5_K, 256, 32, 0, 5, true, true},
    {TensorType::kQ6_K, 256, 16, 32, 6, true, false},
    {TensorType::kIQ4_NL, 32, 32, 0, 4, false, false, kIq4Values},
    {TensorType::kIQ4_XS, 256, 32, 0, 4, true, false, kIq4Values},
    {TensorType::kMXFP4, 32, 32, 0, 4, false, false, kFp4Doubled, true},
};

}  // namespace

const IntegerFormat* integer_format(TensorType type) {
  for (const IntegerFormat& format : kFormats) {
    if (format.type == type) return &format;
  }
  return nullptr;
}

void unpack_block(TensorType type, const std::byte* block, IntegerBlock& out) {
  const auto* b = reinterpret_cast<const uint8_t*>(block);
  switch (type) {
    case TensorType::kQ4_0:
    case TensorType::kIQ4_NL:
      return unpack_q4(b, false, out);
    case TensorType::kQ4_1:
      return unpack_q4(b, true, out);
    case TensorType::kQ5_0:
      return unpack_q5(b, false, out);
    case TensorType::kQ5_1:
      return unpack_q5(b, true, out);
    case TensorType::kQ8_0:
      return unpack_q8_0(b, out);
    case TensorType::kQ2_K:
      return unpack_q2_k(b, out);
    case TensorType::kQ3_K:
      return unpack_q3_k(b, out);
    case TensorType::kQ4_K:
      return unpack_q4_k(b, out);
    case TensorType::kQ5_K:
      return unpack_q5_k(b, out);
    case TensorType::kQ6_K:
      return unpack_q6_k(b, out);
    case TensorType::kIQ4_XS:
      return unpack_iq4_xs(b, out);
    case TensorType::kMXFP4:
      return unpack_mxfp4(b, out);
    default:
      DA_CHECK(!"a type without an IntegerFormat");  // the enum is the file format's, most of it is not ours
  }
}

}  // namespace da::quant
