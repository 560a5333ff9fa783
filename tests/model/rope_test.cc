#include "model/rope_frequencies.h"

#include <gtest/gtest.h>

#include <cmath>

namespace da::model {
namespace {

RopeParameters rope(int32_t dims, float base) {
  RopeParameters rope;
  rope.n_dims = dims;
  rope.freq_base = base;
  return rope;
}

TEST(RopeFrequencies, PlainLinearAndFactors) {
  RopeParameters scaled = rope(8, 10000.0F);
  const auto plain = rope_frequencies(scaled, {});
  ASSERT_EQ(plain.radians_per_position.size(), 4U);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(plain.radians_per_position[static_cast<size_t>(i)], std::pow(10.0, -i), 1e-7);
  EXPECT_EQ(plain.magnitude, 1.0F);
  const std::vector<float> factors = {1, 2, 4, 8};
  EXPECT_NEAR(rope_frequencies(scaled, factors).radians_per_position[2], 0.01 / 4, 1e-9);
  scaled.scaling = RopeScaling::kLinear;
  scaled.factor = 4;
  EXPECT_NEAR(rope_frequencies(scaled, {}).radians_per_position[1], 0.1 / 4, 1e-8);
}

TEST(RopeFrequencies, YarnKeepsFastWavesAndStretchesSlowOnes) {
  RopeParameters scaled = rope(64, 10000.0F);
  scaled.scaling = RopeScaling::kYarn;
  scaled.factor = 4;
  scaled.original_context = 256;
  const auto plain = rope_frequencies(rope(64, 10000.0F), {});
  const auto yarn = rope_frequencies(scaled, {});
  EXPECT_NEAR(yarn.radians_per_position[0], plain.radians_per_position[0], 1e-7);
  EXPECT_NEAR(yarn.radians_per_position[31], plain.radians_per_position[31] / 4, 1e-10);
  for (size_t i = 1; i < 32; ++i) EXPECT_LT(yarn.radians_per_position[i], yarn.radians_per_position[i - 1]);
  EXPECT_NEAR(yarn.magnitude, 1 + 0.1 * std::log(4.0), 1e-6);
}

}  // namespace
}  // namespace da::model
