#include <cstring>
#include <string>

#include "quant/blocks.h"
#include "quant/quant.h"

namespace da::quant {
namespace {

using gguf::TensorType;

void dequantize_blocks(const IntegerFormat& format, const std::byte* source, float* out, size_t n_values) {
  const size_t block_bytes = gguf::tensor_type_info(format.type).bytes_per_block;
  IntegerBlock block;
  for (size_t done = 0; done < n_values; done += format.values_per_block, source += block_bytes) {
    unpack_block(format.type, source, block);
    float d = half_to_float(block.d);
    if (format.type == TensorType::kQ8_K) std::memcpy(&d, source, sizeof(d));  // the one format with a float32 scale
    const float d_min = half_to_float(block.d_min);
    for (int i = 0; i < format.values_per_block; ++i) {
      const int sub = i / format.sub_block;
      const float scale = d * static_cast<float>(block.scales[sub]);
      const float value = scale * static_cast<float>(block.codes[i] - format.zero_point);
      out[done + i] = format.has_min ? value - d_min * static_cast<float>(block.mins[sub]) : value;
    }
  }
}

template <class Stored, class Convert>
void convert_each(const std::byte* source, float* out, size_t n_values, Convert convert) {
  for (size_t i = 0; i < n_values; ++i) {
    Stored stored;
    std::memcpy(&stored, source + i * sizeof(stored), sizeof(stored));
    out[i] = convert(stored);
  }
}

bool is_float_type(TensorType type) {
  return type == TensorType::kF32 || type == TensorType::kF16 || type == TensorType::kBF16 || type == TensorType::kF64;
}

}  // namespace

bool can_dequantize(TensorType type) { return is_float_type(type) || integer_format(type) != nullptr; }

Status dequantize(TensorType type, const std::byte* source, float* out, size_t n_values) {
  if (const IntegerFormat* format = integer_format(type)) {
    dequantize_blocks(*format, source, out, n_values);
  } else if (type == TensorType::kF32) {
    std::memcpy(out, source, n_values * sizeof(float));
  } else if (type == TensorType::kF16) {
    convert_each<uint16_t>(source, out, n_values, half_to_float);
  } else if (type == TensorType::kBF16) {
    convert_each<uint16_t>(source, out, n_values, bf16_to_float);
  } else if (type == TensorType::kF64) {
    convert_each<double>(source, out, n_values, [](double value) { return static_cast<float>(value); });
  } else {
    return {ErrorCode::kUnsupported,
            "dequantize: tensor type " + std::string(gguf::tensor_type_info(type).name) + " is not supported"};
  }
  return Status::ok();
}

}  // namespace da::quant
