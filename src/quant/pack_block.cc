// The inverse of unpack_block: each function mirrors the one of its format in blocks.cc, which states the layout.
#include <cstring>

#include "base/result.h"
#include "quant/blocks.h"

namespace da::quant {
namespace {

using gguf::TensorType;

void write_u16(uint8_t* bytes, uint32_t value) {
  bytes[0] = static_cast<uint8_t>(value);
  bytes[1] = static_cast<uint8_t>(value >> 8);
}

void pack_nibbles(const uint8_t* codes, uint8_t* out) {
  for (int i = 0; i < 16; ++i) out[i] = static_cast<uint8_t>((codes[i] & 15) | codes[i + 16] << 4);
}

// d and, with a minimum, its float16 added; the bytes they take.
int pack_head(const IntegerBlock& in, bool has_min, uint8_t* b) {
  write_u16(b, in.d);
  if (has_min) write_u16(b + 2, in.d_min ^ 0x8000U);
  return has_min ? 4 : 2;
}

void pack_q4(const IntegerBlock& in, bool has_min, uint8_t* b) {
  pack_nibbles(in.codes, b + pack_head(in, has_min, b));
}

void pack_q5(const IntegerBlock& in, bool has_min, uint8_t* b) {
  b += pack_head(in, has_min, b);
  uint32_t high = 0;
  for (int i = 0; i < 32; ++i) high |= static_cast<uint32_t>(in.codes[i] >> 4 & 1) << i;
  write_u16(b, high);
  write_u16(b + 2, high >> 16);
  pack_nibbles(in.codes, b + 4);
}

void pack_q8_0(const IntegerBlock& in, uint8_t* b) {
  write_u16(b, in.d);
  for (int i = 0; i < 32; ++i) b[2 + i] = in.codes[i] ^ 0x80;
}

// The two low bits of the codes as in Q2_K; `b` holds zeros.
void pack_two_bits(const uint8_t* codes, uint8_t* b) {
  for (int i = 0; i < 256; ++i) b[i / 128 * 32 + i % 32] |= static_cast<uint8_t>((codes[i] & 3) << (i / 32 % 4 * 2));
}

void pack_q2_k(const IntegerBlock& in, uint8_t* b) {
  for (int j = 0; j < 16; ++j) b[j] = static_cast<uint8_t>((in.scales[j] & 15) | in.mins[j] << 4);
  pack_two_bits(in.codes, b + 16);
  write_u16(b + 80, in.d);
  write_u16(b + 82, in.d_min);
}

void pack_q3_k(const IntegerBlock& in, uint8_t* b) {
  for (int i = 0; i < 256; ++i) b[i % 32] |= static_cast<uint8_t>((in.codes[i] >> 2 & 1) << (i / 32));
  pack_two_bits(in.codes, b + 32);
  uint8_t* scales = b + 96;
  for (int j = 0; j < 16; ++j) {
    const int scale = in.scales[j] + 32;
    scales[j % 8] |= static_cast<uint8_t>((scale & 15) << (j / 8 * 4));
    scales[8 + j % 4] |= static_cast<uint8_t>((scale >> 4 & 3) << (j / 4 * 2));
  }
  write_u16(b + 108, in.d);
}

void pack_k_scales(const IntegerBlock& in, uint8_t* b) {
  write_u16(b, in.d);
  write_u16(b + 2, in.d_min);
  b += 4;
  for (int j = 0; j < 4; ++j) {
    b[j] = static_cast<uint8_t>((in.scales[j] & 63) | (in.scales[j + 4] >> 4 & 3) << 6);
    b[j + 4] = static_cast<uint8_t>((in.mins[j] & 63) | (in.mins[j + 4] >> 4 & 3) << 6);
    b[j + 8] = static_cast<uint8_t>((in.scales[j + 4] & 15) | (in.mins[j + 4] & 15) << 4);
  }
}

// The four low bits of the codes as in Q4_K; `b` holds zeros.
void pack_k_nibbles(const uint8_t* codes, uint8_t* b) {
  for (int i = 0; i < 256; ++i) b[i / 64 * 32 + i % 32] |= static_cast<uint8_t>((codes[i] & 15) << (i / 32 % 2 * 4));
}

void pack_q4_k(const IntegerBlock& in, uint8_t* b) {
  pack_k_scales(in, b);
  pack_k_nibbles(in.codes, b + 16);
}

void pack_q5_k(const IntegerBlock& in, uint8_t* b) {
  pack_k_scales(in, b);
  for (int i = 0; i < 256; ++i) b[16 + i % 32] |= static_cast<uint8_t>((in.codes[i] >> 4 & 1) << (i / 32));
  pack_k_nibbles(in.codes, b + 48);
}

void pack_q6_k(const IntegerBlock& in, uint8_t* b) {
  for (int i = 0; i < 256; ++i) {
    const int part = i / 128, in_part = i % 128;
    b[part * 64 + in_part % 64] |= static_cast<uint8_t>((in.codes[i] & 15) << (in_part / 64 * 4));
    b[128 + part * 32 + in_part % 32] |= static_cast<uint8_t>((in.codes[i] >> 4 & 3) << (in_part / 32 * 2));
  }
  std::memcpy(b + 192, in.scales, 16);
  write_u16(b + 208, in.d);
}

void pack_iq4_xs(const IntegerBlock& in, uint8_t* b) {
  write_u16(b, in.d);
  uint32_t high = 0;
  for (int j = 0; j < 8; ++j) {
    const auto scale = static_cast<uint32_t>(in.scales[j] + 32);
    high |= (scale >> 4 & 3) << (2 * j);
    b[4 + j / 2] |= static_cast<uint8_t>((scale & 15) << (j % 2 * 4));
    pack_nibbles(in.codes + 32 * j, b + 8 + 16 * j);
  }
  write_u16(b + 2, high);
}

void pack_mxfp4(const IntegerBlock& in, uint8_t* b) {
  b[0] = static_cast<uint8_t>(in.d < 0x80 ? in.d >> 6 : (in.d >> 7) + 1);
  pack_nibbles(in.codes, b + 1);
}

}  // namespace

void pack_block(TensorType type, const IntegerBlock& in, std::byte* block) {
  std::memset(block, 0, gguf::tensor_type_info(type).bytes_per_block);
  auto* b = reinterpret_cast<uint8_t*>(block);
  switch (type) {
    case TensorType::kQ4_0:
    case TensorType::kIQ4_NL:
      return pack_q4(in, false, b);
    case TensorType::kQ4_1:
      return pack_q4(in, true, b);
    case TensorType::kQ5_0:
      return pack_q5(in, false, b);
    case TensorType::kQ5_1:
      return pack_q5(in, true, b);
    case TensorType::kQ8_0:
      return pack_q8_0(in, b);
    case TensorType::kQ2_K:
      return pack_q2_k(in, b);
    case TensorType::kQ3_K:
      return pack_q3_k(in, b);
    case TensorType::kQ4_K:
      return pack_q4_k(in, b);
    case TensorType::kQ5_K:
      return pack_q5_k(in, b);
    case TensorType::kQ6_K:
      return pack_q6_k(in, b);
    case TensorType::kIQ4_XS:
      return pack_iq4_xs(in, b);
    case TensorType::kMXFP4:
      return pack_mxfp4(in, b);
    default:
      DA_CHECK(!"a type that is not written");  // the enum is the file format's, most of it is not ours
  }
}

}  // namespace da::quant
