#pragma once

#include <cstdint>

#include "gguf/tensor_type.h"

namespace da::quant {

// IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS and IQ3_S.
bool has_code_book(gguf::TensorType type);

// As quantize_coded(); `block` holds zeros.
void quantize_with_book(gguf::TensorType type, const float* x, const float* w, uint8_t* block);

}  // namespace da::quant
