#include <cstring>
#include <string>

#include "quant/blocks.h"
#include "quant/coded_blocks.h"
#include "quant/quant.h"

namespace da::quant {
namespace {

using gguf::TensorType;

void dequantize_blocks(const IntegerFormat& format, const std::byte* source, float* out, size_t n_values) {
  const size_t block_bytes = gguf::tensor_type_info(format.type).bytes_per_block;
  IntegerBlock block;
  for (size_t done = 0; done < n_values; done += format.values_per_block, source += block_bytes) {
    unpack_block(format.type, source, block);
    const float d = format.brain_scale ? bf16_to_float(block.d) : half_to_float(block.d);
    const float d_min = half_to_float(block.d_min);
    for (int i = 0; i < format.values_per_block; ++i) {
      const int sub = i / format.sub_block;
      const float scale = d * static_cast<float>(block.scales[sub]);
      const int code = format.table != nullptr ? format.table[block.codes[i]] : block.codes[i] - format.zero_point;
      const float value = scale * static_cast<float>(code);
      out[done + i] = format.has_min ? value - d_min * static_cast<float>(block.mins[sub]) : value;
    }
  }
}

void dequantize_coded(TensorType type, const std::byte* source, float* out, size_t n_values) {
  const gguf::TensorTypeInfo& info = gguf::tensor_type_info(type);
  CodedBlock block;
  for (size_t done = 0; done < n_values; done += info.values_per_block, source += info.bytes_per_block) {
    unpack_coded(type, source, block);
    for (size_t i = 0; i < info.values_per_block; ++i) {
      out[done + i] = block.scales[i / 16] * static_cast<float>(block.codes[i]);
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

template <class Number>
void widen_each(const std::byte* source, float* out, size_t n_values) {
  convert_each<Number>(source, out, n_values, [](Number value) { return static_cast<float>(value); });
}

// The plain types, one value after the other; false for another.
bool dequantize_plain(TensorType type, const std::byte* source, float* out, size_t n_values) {
  switch (type) {
    case TensorType::kF32:
      if (n_values > 0) std::memcpy(out, source, n_values * sizeof(float));
      return true;
    case TensorType::kF16:
      convert_each<uint16_t>(source, out, n_values, half_to_float);
      return true;
    case TensorType::kBF16:
      convert_each<uint16_t>(source, out, n_values, bf16_to_float);
      return true;
    case TensorType::kF64:
      widen_each<double>(source, out, n_values);
      return true;
    case TensorType::kI8:
      widen_each<int8_t>(source, out, n_values);
      return true;
    case TensorType::kI16:
      widen_each<int16_t>(source, out, n_values);
      return true;
    case TensorType::kI32:
      widen_each<int32_t>(source, out, n_values);
      return true;
    case TensorType::kI64:
      widen_each<int64_t>(source, out, n_values);
      return true;
    default:
      return false;  // the enum is the file format's
  }
}

}  // namespace

bool can_dequantize(TensorType type) {
  return is_coded(type) || integer_format(type) != nullptr || dequantize_plain(type, nullptr, nullptr, 0);
}

Status dequantize(TensorType type, const std::byte* source, float* out, size_t n_values) {
  if (const IntegerFormat* format = integer_format(type)) {
    dequantize_blocks(*format, source, out, n_values);
  } else if (is_coded(type)) {
    dequantize_coded(type, source, out, n_values);
  } else if (!dequantize_plain(type, source, out, n_values)) {
    return {ErrorCode::kUnsupported, "dequantize: no tensor type " + std::to_string(static_cast<uint32_t>(type))};
  }
  return Status::ok();
}

}  // namespace da::quant
