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
    default:
      return {0};
  }
}

// Rows of random codes with sane scales, at an odd address if `shift` is 1.
inline std::vector<std::byte> random_rows(gguf::TensorType type, int64_t n_values, uint32_t seed) {
  const auto& info = gguf::tensor_type_info(type);
  const size_t n_blocks = static_cast<size_t>(n_values) / info.values_per_block;
  std::vector<std::byte> out(n_blocks * info.bytes_per_block);
  std::mt19937 random(seed);
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
  }
  return out;
}

}  // namespace da::backend::cpu::test
