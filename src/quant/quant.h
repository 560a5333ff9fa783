#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "gguf/tensor_type.h"

// Reference conversions between the ggml block formats and float32. They are the specification that the fast kernels
// are tested against (block layouts: ggml's published format; each format's .cc states its own).
namespace da::quant {

// True for every type the reader knows.
bool can_dequantize(gguf::TensorType type);

// Converts `n_values` (a multiple of the block size) values. `source` holds their blocks, any alignment.
// Errors: kUnsupported for a number that is no type.
Status dequantize(gguf::TensorType type, const std::byte* source, float* out, size_t n_values);

// True for F32, F16, BF16 and every block type but Q8_1 and Q8_K, which stand in no file.
bool can_quantize(gguf::TensorType type);

// Rounds to 16 bits, or block by block to the codes with the least squared error that a search finds. `n_values` is a
// multiple of the block size. `importance` [n_values]: how much each value's error counts, positive; null: all the
// same. Errors: kUnsupported for a type that is not written; kInvalidArgument for a value that is not finite or beyond
// float16's range.
Status quantize(gguf::TensorType type, const float* values, std::byte* out, size_t n_values,
                const float* importance = nullptr);

float half_to_float(uint16_t half);
uint16_t float_to_half(float value);  // round to nearest even
inline float bf16_to_float(uint16_t value) {
  const uint32_t bits = static_cast<uint32_t>(value) << 16;
  return __builtin_bit_cast(float, bits);
}
uint16_t float_to_bf16(float value);

}  // namespace da::quant
