#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/kernels.h"
#include "gguf/tensor_type.h"
#include "quant/quant.h"

namespace da::backend::cpu::test {

// The kernels of every instruction set this CPU has; isa_test sees to it that none is missing.
inline std::vector<const KernelTable*> tables() {
  std::vector<const KernelTable*> out;
  for (const std::string_view name : cpu_isa_names()) {
    if (cpu_isa_supported(name)) out.push_back(*select_kernels(name));
  }
  return out;
}

inline std::vector<float> random_floats(size_t n, uint32_t seed, float spread = 1.0F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, spread);
  std::vector<float> out(n);
  for (float& value : out) value = normal(random);
  return out;
}

// Where a type's float16 scales lie in its block; everything else may hold any bits.
inline std::vector<size_t> half_offsets(gguf::TensorType type) {
  switch (type) {
    case gguf::TensorType::kQ4_1:
    case gguf::TensorType::kQ5_1:
    case gguf::TensorType::kQ4_K:
    case gguf::TensorType::kQ5_K:
      return {0, 2};
    case gguf::TensorType::kQ2_K:
      return {80, 82};
    case gguf::TensorType::kQ3_K:
      return {108};
    case gguf::TensorType::kQ6_K:
      return {208};
    case gguf::TensorType::kTQ1_0:
      return {52};
    case gguf::TensorType::kTQ2_0:
      return {64};
    case gguf::TensorType::kIQ1_M:  // its float16 lies in four places, see below
    case gguf::TensorType::kMXFP4:
    case gguf::TensorType::kNVFP4:
      return {};
    default:
      return {0};
  }
}

// All that weights may be of. Q8_1 and Q8_K are for activations, plain integers hold no numbers of a model.
inline std::vector<gguf::TensorType> weight_types() {
  std::vector<gguf::TensorType> types;
  for (uint32_t id = 0; id < 64; ++id) {
    const auto* info = gguf::tensor_type_info(id);
    if (info == nullptr || !quant::can_dequantize(info->type)) continue;
    if (info->type == gguf::TensorType::kQ8_1 || info->type == gguf::TensorType::kQ8_K) continue;
    if (info->type >= gguf::TensorType::kI8 && info->type <= gguf::TensorType::kI64) continue;
    types.push_back(info->type);
  }
  return types;
}

// Rows of random codes with sane scales, at an odd address if `shift` is 1.
inline std::vector<std::byte> random_rows(gguf::TensorType type, int64_t n_values, uint32_t seed) {
  const auto& info = gguf::tensor_type_info(type);
  const size_t n_blocks = static_cast<size_t>(n_values) / info.values_per_block;
  std::vector<std::byte> out(n_blocks * info.bytes_per_block);
  std::mt19937 random(seed);
  if (type == gguf::TensorType::kI8) {
    for (std::byte& byte : out) byte = static_cast<std::byte>(random());
    return out;
  }
  if (info.values_per_block == 1) {
    const auto values = random_floats(static_cast<size_t>(n_values), seed);
    if (!quant::quantize(type, values.data(), out.data(), values.size()).is_ok()) std::abort();
    return out;
  }
  for (std::byte& byte : out) byte = static_cast<std::byte>(random());
  for (size_t block = 0; block < n_blocks; ++block) {
    for (const size_t offset : half_offsets(type)) {
      const float scale = (static_cast<float>(random() % 1000) + 1) / 1000.0F * (random() % 2 == 0 ? 0.01F : -0.01F);
      const uint16_t half = quant::float_to_half(scale);
      std::memcpy(out.data() + block * info.bytes_per_block + offset, &half, 2);
    }
    std::byte* bytes = out.data() + block * info.bytes_per_block;
    if (type == gguf::TensorType::kMXFP4) bytes[0] = static_cast<std::byte>(110 + random() % 16);
    if (type == gguf::TensorType::kIQ1_M) {
      // 0x2???: 2^-7 to 2^-4; the lowest bits come from the first word.
      bytes[55] = (bytes[55] & std::byte{0x0F}) | std::byte{0x20};
    }
  }
  return out;
}

}  // namespace da::backend::cpu::test
