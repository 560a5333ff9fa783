#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "quant/quant.h"

namespace da::quant {
namespace {

using gguf::TensorType;

template <class Convert>
void convert_to_16(const float* values, std::byte* out, size_t n_values, Convert convert) {
  for (size_t i = 0; i < n_values; ++i) {
    const uint16_t stored = convert(values[i]);
    std::memcpy(out + i * sizeof(stored), &stored, sizeof(stored));
  }
}

void quantize_q8_0(const float* values, std::byte* out, size_t n_values) {
  for (size_t begin = 0; begin < n_values; begin += 32, out += 34) {
    float largest = 0;
    for (size_t i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(values[begin + i]));
    const float d = largest / 127.0F;
    const float inverse = d > 1e-30F ? 1.0F / d : 0.0F;  // below, d is 0 in float16 and the inverse may overflow
    const uint16_t half = float_to_half(d);
    std::memcpy(out, &half, sizeof(half));
    for (size_t i = 0; i < 32; ++i) {
      out[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::lround(values[begin + i] * inverse)));
    }
  }
}

}  // namespace

Status quantize(TensorType type, const float* values, std::byte* out, size_t n_values) {
  switch (type) {
    case TensorType::kF32:
      std::memcpy(out, values, n_values * sizeof(float));
      return Status::ok();
    case TensorType::kF16:
      convert_to_16(values, out, n_values, float_to_half);
      return Status::ok();
    case TensorType::kBF16:
      convert_to_16(values, out, n_values, float_to_bf16);
      return Status::ok();
    case TensorType::kQ8_0:
      for (size_t i = 0; i < n_values; ++i) {
        if (!std::isfinite(values[i]))
          return {ErrorCode::kInvalidArgument, "quantize Q8_0: value " + std::to_string(i) + " is not finite"};
      }
      quantize_q8_0(values, out, n_values);
      return Status::ok();
    default:
      return {ErrorCode::kUnsupported, "quantize: cannot write " + std::string(gguf::tensor_type_info(type).name)};
  }
}

}  // namespace da::quant
