#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "quant/quant.h"

namespace da::quant {
namespace {

using gguf::TensorType;

TEST(Quantize, ComesBackWithinHalfAStep) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(32 * 50), back(values.size());
  for (float& value : values) value = normal(random);
  std::fill(values.begin() + 64, values.begin() + 96, 0.0F);
  std::fill(values.begin() + 96, values.begin() + 128, 1e-40F);
  std::vector<std::byte> stored(values.size() * 4);
  for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16, TensorType::kQ8_0}) {
    ASSERT_TRUE(quantize(type, values.data(), stored.data(), values.size()).is_ok());
    ASSERT_TRUE(dequantize(type, stored.data(), back.data(), values.size()).is_ok());
    for (size_t i = 0; i < values.size(); ++i) {
      float largest = 0;
      for (size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j) largest = std::max(largest, std::fabs(values[j]));
      float step = 0;
      if (type == TensorType::kF16) step = std::max(std::fabs(values[i]) * 0x1p-10F, 0x1p-24F);
      if (type == TensorType::kBF16) step = std::max(std::fabs(values[i]) * 0x1p-7F, 0x1p-133F);
      // A step of the codes, and the rounding of the scale to float16, which 127 codes multiply.
      if (type == TensorType::kQ8_0) step = largest / 127.0F + 2 * std::max(largest * 0x1p-11F, 127 * 0x1p-25F);
      ASSERT_LE(std::fabs(values[i] - back[i]), step / 2 * 1.0001F) << gguf::tensor_type_info(type).name << " " << i;
    }
  }
}

TEST(Quantize, RefusesWhatItCannot) {
  const std::vector<float> values(256, NAN);
  std::vector<std::byte> stored(1024);
  EXPECT_EQ(quantize(TensorType::kQ8_0, values.data(), stored.data(), 32).code(), ErrorCode::kInvalidArgument);
  const Status status = quantize(TensorType::kQ4_K, values.data(), stored.data(), 256);
  EXPECT_EQ(status.code(), ErrorCode::kUnsupported);
  EXPECT_NE(status.message().find("Q4_K"), std::string::npos);
}

}  // namespace
}  // namespace da::quant
