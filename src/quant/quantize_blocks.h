#pragma once

#include "quant/blocks.h"

namespace da::quant {

// One block of `format` that comes as near as it can to `x` [values_per_block] in the sum of squared errors, each times
// its `w`. `x` is finite and within float16's range, `w` is positive.
void quantize_block(const IntegerFormat& format, const float* x, const float* w, IntegerBlock& out);

}  // namespace da::quant
