#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "quant/blocks.h"
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

constexpr TensorType kCodedTypes[] = {TensorType::kIQ1_S,  TensorType::kIQ1_M, TensorType::kIQ2_XXS,
                                      TensorType::kIQ2_XS, TensorType::kIQ2_S, TensorType::kIQ3_XXS,
                                      TensorType::kIQ3_S,  TensorType::kTQ1_0, TensorType::kTQ2_0,
                                      TensorType::kNVFP4,  TensorType::kQ1_0,  TensorType::kQ2_0};

constexpr TensorType kBlockTypes[] = {TensorType::kQ4_0, TensorType::kQ4_1, TensorType::kQ5_0,   TensorType::kQ5_1,
                                      TensorType::kQ8_0, TensorType::kQ2_K, TensorType::kQ3_K,   TensorType::kQ4_K,
                                      TensorType::kQ5_K, TensorType::kQ6_K, TensorType::kIQ4_NL, TensorType::kIQ4_XS,
                                      TensorType::kMXFP4};

TEST(Quantize, PackingIsTheInverseOfUnpacking) {
  std::mt19937 random(2);
  for (const TensorType type : kBlockTypes) {
    const size_t n_bytes = gguf::tensor_type_info(type).bytes_per_block;
    std::vector<std::byte> bytes(n_bytes), again(n_bytes);
    for (int round = 0; round < 200; ++round) {
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
      IntegerBlock block;
      unpack_block(type, bytes.data(), block);
      pack_block(type, block, again.data());
      ASSERT_EQ(bytes, again) << gguf::tensor_type_info(type).name;
    }
  }
}

TEST(Quantize, EdgesOfTheRange) {
  std::vector<float> values(256), back(256);
  std::vector<std::byte> stored(512);
  for (const TensorType type : kBlockTypes) {
    const auto round_trip = [&] {
      ASSERT_TRUE(quantize(type, values.data(), stored.data(), 256).is_ok());
      ASSERT_TRUE(dequantize(type, stored.data(), back.data(), 256).is_ok());
    };
    for (const float value : {0.0F, -0.0F, 1.0F, -3.0F, 65504.0F, -65504.0F, 1e-30F, -1e-42F, 3e-8F}) {
      std::fill(values.begin(), values.end(), value);
      round_trip();
      // A constant is within a step of an extreme code. (MXFP4's steps are coarse; float16 scales end at 2^-24.)
      for (const float got : back) {
        ASSERT_NEAR(got, value, std::fabs(value) * (type == TensorType::kMXFP4 ? 0.26F : 0.08F) + 0x1p-18F)
            << gguf::tensor_type_info(type).name;
      }
    }
    // One large value among zeros, of either sign.
    for (const float value : {5.0F, -5.0F}) {
      std::fill(values.begin(), values.end(), 0.0F);
      values[17] = value;
      round_trip();
      for (size_t i = 0; i < 256; ++i) {
        ASSERT_NEAR(back[i], values[i], i == 17 ? 1.3F : 0.35F) << gguf::tensor_type_info(type).name << " " << i;
      }
    }
  }
}

std::vector<float> back_from(TensorType type, const std::vector<float>& values, const float* importance = nullptr) {
  std::vector<std::byte> stored(values.size() * 4);
  std::vector<float> back(values.size());
  EXPECT_TRUE(quantize(type, values.data(), stored.data(), values.size(), importance).is_ok());
  EXPECT_TRUE(dequantize(type, stored.data(), back.data(), values.size()).is_ok());
  return back;
}

// What a block can hold exactly comes back as it was, but for the rounding of its scale.
TEST(Quantize, CodedBlocksComeBack) {
  std::mt19937 random(3);
  for (const TensorType type : kCodedTypes) {
    for (int round = 0; round < 20; ++round) {
      std::normal_distribution<float> normal(0, 0.02F);
      std::vector<float> values(256);
      for (float& value : values) value = normal(random);
      const std::vector<float> once = back_from(type, values), twice = back_from(type, once);
      double error = 0, power = 0;
      for (size_t i = 0; i < 256; ++i) {
        error += static_cast<double>(twice[i] - once[i]) * static_cast<double>(twice[i] - once[i]);
        power += static_cast<double>(once[i]) * static_cast<double>(once[i]);
      }
      // The scale of one and two bits is searched: another one may fit what came back nearly as well.
      EXPECT_LE(error, power * 0.03) << gguf::tensor_type_info(type).name << " round " << round;
    }
  }
}

TEST(Quantize, CodedBlocksAtTheEdges) {
  for (const TensorType type : kCodedTypes) {
    const float largest = type == TensorType::kNVFP4 ? 2688.0F : 65504.0F;
    for (const float value : {0.0F, -0.0F, 1.0F, -3.0F, largest, -largest, 1e-30F, -1e-42F, 3e-8F}) {
      for (const float got : back_from(type, std::vector<float>(256, value))) {
        ASSERT_TRUE(std::isfinite(got)) << gguf::tensor_type_info(type).name << " " << value;
        ASSERT_LE(std::fabs(got - value), std::fabs(value) * 0.35F + 0x1p-16F)
            << gguf::tensor_type_info(type).name << " " << value;
      }
    }
    std::vector<float> spike(256);
    spike[17] = 5.0F;
    for (const float got : back_from(type, spike)) ASSERT_LE(std::fabs(got), 7.0F) << gguf::tensor_type_info(type).name;
  }
}

// Errors move from where they count to where they do not.
TEST(Quantize, ImportanceDecidesWhereErrorsAre) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  std::vector<float> values(256 * 40), importance(values.size());
  for (float& value : values) value = normal(random);
  for (size_t i = 0; i < importance.size(); ++i) importance[i] = i % 4 == 0 ? 20.0F : 0.5F;
  std::vector<TensorType> types(std::begin(kBlockTypes), std::end(kBlockTypes));
  types.insert(types.end(), std::begin(kCodedTypes), std::end(kCodedTypes));
  for (const TensorType type : types) {
    if (type == TensorType::kQ8_0 || type == TensorType::kQ1_0) continue;  // nothing to choose, or next to nothing
    const auto weighted_error = [&](const std::vector<float>& back) {
      double error = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        const auto difference = static_cast<double>(values[i] - back[i]);
        error += difference * difference * static_cast<double>(importance[i]);
      }
      return error;
    };
    const double without = weighted_error(back_from(type, values));
    EXPECT_LT(weighted_error(back_from(type, values, importance.data())), without * 0.999)
        << gguf::tensor_type_info(type).name;
  }
}

TEST(Quantize, RefusesWhatItCannot) {
  std::vector<float> values(256, 1.0F);
  std::vector<std::byte> stored(1024);
  for (const float bad : {static_cast<float>(NAN), static_cast<float>(INFINITY), 65536.0F}) {
    values[200] = bad;
    for (const TensorType type : kBlockTypes) {
      const Status status = quantize(type, values.data(), stored.data(), 256);
      EXPECT_EQ(status.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(status.message().find("value 200"), std::string::npos) << status.message();
    }
  }
  for (const TensorType type : {TensorType::kQ8_1, TensorType::kQ8_K, TensorType::kI32}) {
    EXPECT_FALSE(can_quantize(type));
    const Status status = quantize(type, values.data(), stored.data(), 256);
    EXPECT_EQ(status.code(), ErrorCode::kUnsupported);
    EXPECT_NE(status.message().find(gguf::tensor_type_info(type).name), std::string::npos) << status.message();
  }
}

}  // namespace
}  // namespace da::quant
