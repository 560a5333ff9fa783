#pragma once

#include <cstddef>
#include <cstdint>

#include "gguf/tensor_type.h"

// The bit layouts of the integer block formats, in one place: the reference conversion and every packer of weights read
// blocks through here.
namespace da::quant {

inline constexpr int kMaxBlockValues = 256;

// How a format's integers become values:
//   value[i] = d * scales[i / sub_block] * (codes[i] - zero_point) - d_min * mins[i / sub_block]
// Formats without sub-block scales have scales (and mins, if has_min) of 1. Where there is a table, table[codes[i]]
// stands for codes[i] - zero_point.
struct IntegerFormat {
  gguf::TensorType type;
  int values_per_block;
  int sub_block;  // values that share a scale: 16 or 32
  int zero_point;
  int code_bits;    // codes are below 1 << code_bits
  bool has_scales;  // sub-blocks have integer scales of their own
  bool has_min;
  const int8_t* table = nullptr;  // [16]
  bool brain_scale = false;       // d is a bfloat16
};

// The format's description, or nullptr if `type` is not an integer block format known here.
const IntegerFormat* integer_format(gguf::TensorType type);

// One block taken apart.
struct IntegerBlock {
  uint16_t d = 0,
           d_min =
               0;  // float16 (d: bfloat16 if brain_scale); d_min is negated for Q4_1 and Q5_1, whose minimum is added
  int8_t scales[16] = {};
  uint8_t mins[16] = {};
  uint8_t codes[kMaxBlockValues] = {};
};

// `block` points to the format's bytes, any alignment. The type must have an IntegerFormat.
void unpack_block(gguf::TensorType type, const std::byte* block, IntegerBlock& out);

// The inverse: codes within code_bits, scales and mins within the format's range.
void pack_block(gguf::TensorType type, const IntegerBlock& in, std::byte* block);

}  // namespace da::quant
