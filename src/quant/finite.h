#pragma once

#include <cstddef>

#include "base/result.h"
#include "gguf/gguf.h"

namespace da::quant {

// True if no value is an infinity or NaN: of block formats only the scales are looked at, their codes are always
// numbers. `data` holds `n_values` (whole blocks) of `type`, any alignment.
bool is_finite(gguf::TensorType type, const std::byte* data, size_t n_values);

// Looks at the vectors of a model (norms, biases): a damaged file often shows there. The matrices are looked at when
// they are packed. Error: kCorruptData names the tensor.
Status check_vectors(const gguf::File& file);

}  // namespace da::quant
