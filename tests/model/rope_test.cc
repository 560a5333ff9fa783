#include "model/rope_frequencies.h"

#include <gtest/gtest.h>

#include <cmath>

namespace da::model {
namespace {

Hyperparameters rope(int32_t dims, float base) {
  Hyperparameters hyper;
  hyper.rope_dims = dims;
  hyper.rope_freq_base = base;
  return hyper;
}

TEST(RopeFrequencies, PlainLinearAndFactors) {
  Hyperparameters hyper = rope(8, 10000.0F);
  const auto plain = rope_frequencies(hyper, {});
  ASSERT_EQ(plain.radians_per_position.size(), 4U);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(plain.radians_per_position[static_cast<size_t>(i)], std::pow(10.0, -i), 1e-7);
  EXPECT_EQ(plain.magnitude, 1.0F);
  const std::vector<float> factors = {1, 2, 4, 8};
  EXPECT_NEAR(rope_frequencies(hyper, factors).radians_per_position[2], 0.01 / 4, 1e-9);
  hyper.rope_scaling = RopeScaling::kLinear;
  hyper.rope_scaling_factor = 4;
  EXPECT_NEAR(rope_frequencies(hyper, {}).radians_per_position[1], 0.1 / 4, 1e-8);
}

TEST(RopeFrequencies, YarnKeepsFastWavesAndStretchesSlowOnes) {
  Hyperparameters hyper = rope(64, 10000.0F);
  hyper.rope_scaling = RopeScaling::kYarn;
  hyper.rope_scaling_factor = 4;
  hyper.rope_original_context = 256;
  const auto plain = rope_frequencies(rope(64, 10000.0F), {});
  const auto yarn = rope_frequencies(hyper, {});
  EXPECT_NEAR(yarn.radians_per_position[0], plain.radians_per_position[0], 1e-7);
  EXPECT_NEAR(yarn.radians_per_position[31], plain.radians_per_position[31] / 4, 1e-10);
  for (size_t i = 1; i < 32; ++i) EXPECT_LT(yarn.radians_per_position[i], yarn.radians_per_position[i - 1]);
  EXPECT_NEAR(yarn.magnitude, 1 + 0.1 * std::log(4.0), 1e-6);
}

}  // namespace
}  // namespace da::model
