#pragma once

#include <cstddef>

#include "gguf/tensor_type.h"

namespace da::quant {

// True for the coded formats (coded_blocks.h) that are written: all but Q8_1 and Q8_K.
bool can_quantize_coded(gguf::TensorType type);

// One block that comes as near as it can to `x` [values_per_block] in the sum of squared errors, each times its `w`.
// `x` is finite and within float16's range, `w` is positive.
void quantize_coded(gguf::TensorType type, const float* x, const float* w, std::byte* block);

}  // namespace da::quant
