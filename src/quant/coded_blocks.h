#pragma once

#include <cstddef>
#include <cstdint>

#include "gguf/tensor_type.h"

// Formats whose codes are not plain integers (code books, ternary digits, signs): one block becomes signed 8-bit codes
// with a float32 scale for each 16 of them. The reference conversion and the products both read blocks through here.
namespace da::quant {

// value[i] = scales[i / 16] * codes[i]
struct CodedBlock {
  float scales[16];
  int8_t codes[256];
};

// True for Q8_1, Q8_K, Q1_0, Q2_0, TQ1_0, TQ2_0, NVFP4 and the IQ formats but IQ4 (those have an IntegerFormat).
bool is_coded(gguf::TensorType type);

// `block` points to the format's bytes, any alignment. The type must be coded. Writes the type's values_per_block
// codes.
void unpack_coded(gguf::TensorType type, const std::byte* block, CodedBlock& out);

}  // namespace da::quant
