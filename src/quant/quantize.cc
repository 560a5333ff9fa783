#include <array>
#include <cmath>
#include <cstring>
#include <string>

#include "quant/blocks.h"
#include "quant/quant.h"
#include "quant/quantize_blocks.h"
#include "quant/quantize_coded.h"

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

constexpr float kLargestHalf = 65504.0F;
constexpr float kLargestNvfp4 = 2688.0F;  // six times its largest scale

// The formats' scales are float16 (NVFP4's are smaller): what lies beyond (or is not finite) cannot be written.
Status check_range(TensorType type, const float* values, size_t n_values) {
  const float limit = type == TensorType::kNVFP4 ? kLargestNvfp4 : kLargestHalf;
  for (size_t i = 0; i < n_values; ++i) {
    if (std::fabs(values[i]) <= limit) continue;
    const std::string what =
        std::isfinite(values[i]) ? "above " + std::to_string(static_cast<int>(limit)) + " in magnitude" : "not finite";
    return {ErrorCode::kInvalidArgument, "quantize to " + std::string(gguf::tensor_type_info(type).name) + ": value " +
                                             std::to_string(i) + " is " + what};
  }
  return Status::ok();
}

}  // namespace

bool can_quantize(TensorType type) {
  return type == TensorType::kF32 || type == TensorType::kF16 || type == TensorType::kBF16 ||
         integer_format(type) != nullptr || can_quantize_coded(type);
}

Status quantize(TensorType type, const float* values, std::byte* out, size_t n_values, const float* importance) {
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
    default:
      break;  // the enum is the file format's
  }
  if (!can_quantize(type)) {
    return {ErrorCode::kUnsupported, "quantize: cannot write " + std::string(gguf::tensor_type_info(type).name)};
  }
  DA_RETURN_IF_ERROR(check_range(type, values, n_values));
  static constexpr auto kOnes = [] {
    std::array<float, kMaxBlockValues> ones{};
    ones.fill(1.0F);
    return ones;
  }();
  const IntegerFormat* format = integer_format(type);
  const gguf::TensorTypeInfo& info = gguf::tensor_type_info(type);
  IntegerBlock block;
  for (size_t done = 0; done < n_values; done += info.values_per_block, out += info.bytes_per_block) {
    const float* w = importance != nullptr ? importance + done : kOnes.data();
    if (format == nullptr) {
      quantize_coded(type, values + done, w, out);
      continue;
    }
    quantize_block(*format, values + done, w, block);
    pack_block(type, block, out);
  }
  return Status::ok();
}

}  // namespace da::quant
