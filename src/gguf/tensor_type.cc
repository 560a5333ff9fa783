#include "gguf/tensor_type.h"

#include <array>

namespace da::gguf {
namespace {

using enum TensorType;

// Sizes follow ggml's block structs. Q8_1 and Q8_K only occur as activations, never in published files, yet have
// numbers.
constexpr std::array kTypes = std::to_array<TensorTypeInfo>({
    {kF32, "F32", 1, 4},
    {kF16, "F16", 1, 2},
    {kQ4_0, "Q4_0", 32, 18},
    {kQ4_1, "Q4_1", 32, 20},
    {kQ5_0, "Q5_0", 32, 22},
    {kQ5_1, "Q5_1", 32, 24},
    {kQ8_0, "Q8_0", 32, 34},
    {kQ8_1, "Q8_1", 32, 36},
    {kQ2_K, "Q2_K", 256, 84},
    {kQ3_K, "Q3_K", 256, 110},
    {kQ4_K, "Q4_K", 256, 144},
    {kQ5_K, "Q5_K", 256, 176},
    {kQ6_K, "Q6_K", 256, 210},
    {kQ8_K, "Q8_K", 256, 292},
    {kIQ2_XXS, "IQ2_XXS", 256, 66},
    {kIQ2_XS, "IQ2_XS", 256, 74},
    {kIQ3_XXS, "IQ3_XXS", 256, 98},
    {kIQ1_S, "IQ1_S", 256, 50},
    {kIQ4_NL, "IQ4_NL", 32, 18},
    {kIQ3_S, "IQ3_S", 256, 110},
    {kIQ2_S, "IQ2_S", 256, 82},
    {kIQ4_XS, "IQ4_XS", 256, 136},
    {kI8, "I8", 1, 1},
    {kI16, "I16", 1, 2},
    {kI32, "I32", 1, 4},
    {kI64, "I64", 1, 8},
    {kF64, "F64", 1, 8},
    {kIQ1_M, "IQ1_M", 256, 56},
    {kBF16, "BF16", 1, 2},
    {kTQ1_0, "TQ1_0", 256, 54},
    {kTQ2_0, "TQ2_0", 256, 66},
    {kMXFP4, "MXFP4", 32, 17},
    {kNVFP4, "NVFP4", 64, 36},
    {kQ1_0, "Q1_0", 128, 18},
    {kQ2_0, "Q2_0", 64, 18},
});

constexpr uint32_t kMaxTypeId = 42;

// Index into kTypes by type number, -1 for numbers that are none.
constexpr auto kByNumber = [] {
  std::array<int8_t, kMaxTypeId + 1> index{};
  index.fill(-1);
  for (size_t i = 0; i < kTypes.size(); ++i) index[static_cast<uint32_t>(kTypes[i].type)] = static_cast<int8_t>(i);
  return index;
}();

}  // namespace

const TensorTypeInfo* tensor_type_info(uint32_t type_id) {
  if (type_id > kMaxTypeId || kByNumber[type_id] < 0) return nullptr;
  return &kTypes[static_cast<size_t>(kByNumber[type_id])];
}

std::optional<TensorType> tensor_type_from_name(std::string_view name) {
  for (const TensorTypeInfo& info : kTypes) {
    if (info.name == name) return info.type;
  }
  return std::nullopt;
}

}  // namespace da::gguf
