#pragma once

#include "quant/blocks.h"

namespace da::quant {

// One block of `format` that comes as near as it can to `x` [values_per_block] in the sum of squared errors. `x` is
// finite and within float16's range.
void quantize_block(const IntegerFormat& format, const float* x, IntegerBlock& out);

}  // namespace da::quant
