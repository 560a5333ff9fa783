// Row operations on every instruction set against double arithmetic, at every length up to 70 and odd addresses.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>

#include "backend/support.h"

namespace da::backend::cpu {
namespace {

constexpr double kUnit = 0x1p-24;

TEST(Rows, NormsAndDots) {
  for (const KernelTable* table : test::tables()) {
    for (int64_t n = 1; n <= 70; ++n) {
      const auto in = test::random_floats(static_cast<size_t>(n) + 1, 1),
                 weight = test::random_floats(static_cast<size_t>(n), 2);
      const auto bias = test::random_floats(static_cast<size_t>(n), 3);
      const float* x = in.data() + 1;
      double sum = 0, squares = 0, products = 0, magnitude = 0;
      for (int64_t i = 0; i < n; ++i) {
        sum += x[i];
        squares += static_cast<double>(x[i]) * x[i];
        products += static_cast<double>(x[i]) * weight[static_cast<size_t>(i)];
        magnitude += std::fabs(static_cast<double>(x[i]) * weight[static_cast<size_t>(i)]);
      }
      const double steps = static_cast<double>(n) + 8;
      ASSERT_NEAR(table->dot(x, weight.data(), n), products, magnitude * steps * kUnit) << table->name << " " << n;
      const double mean = sum / static_cast<double>(n);
      double variance = 0;
      for (int64_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(n);
      std::vector<float> rms(static_cast<size_t>(n)), layer(static_cast<size_t>(n));
      table->rms_norm({.in = x, .weight = weight.data(), .eps = 1e-3F, .n = n, .out = rms.data()});
      table->layer_norm(
          {.in = x, .weight = weight.data(), .bias = bias.data(), .eps = 1e-3F, .n = n, .out = layer.data()});
      for (int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<size_t>(i);
        const double r = x[i] / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(1e-3F)) * weight[at];
        const double factor = 1 / std::sqrt(variance + static_cast<double>(1e-3F));
        const double l = (x[i] - mean) * factor * weight[at] + bias[at];
        ASSERT_NEAR(rms[at], r, std::fabs(r) * steps * kUnit) << table->name << " " << n;
        // The mean errs by its own rounding; the factor carries that on.
        ASSERT_NEAR(layer[at], l,
                    (std::fabs(l) + std::fabs(bias[at]) + 4 * factor * std::fabs(weight[at])) * steps * kUnit)
            << table->name << " " << n;
      }
    }
  }
}

TEST(Rows, Gates) {
  for (const KernelTable* table : test::tables()) {
    auto gate = test::random_floats(701, 1, 8.0F);
    const float edges[] = {0.0F, -0.0F, 100.0F, -100.0F, 1e30F, -1e30F, 1e-30F, 87.5F, -87.5F, -88.5F};
    std::copy(std::begin(edges), std::end(edges), gate.begin());
    const auto up = test::random_floats(gate.size(), 2);
    for (const int64_t n : {int64_t{701}, int64_t{5}, int64_t{16}, int64_t{33}}) {
      std::vector<float> silu(static_cast<size_t>(n)), gelu(static_cast<size_t>(n)), swiglu(static_cast<size_t>(n)),
          alone(static_cast<size_t>(n));
      table->gate(GateFunction::kSwigluOai, gate.data(), up.data(), n, swiglu.data());
      table->gate(GateFunction::kSilu, gate.data(), nullptr, n, alone.data());
      table->gate(GateFunction::kSilu, gate.data(), up.data(), n, silu.data());
      table->gate(GateFunction::kGeluTanh, gate.data(), up.data(), n, gelu.data());
      for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
        const double x = gate[i], u = up[i];
        const double s = x / (1 + std::exp(-x)) * u;
        // exp errs by about two units, and below e^-87 is taken for 0.
        ASSERT_NEAR(silu[i], s, std::fabs(s) * 16 * kUnit + std::fabs(x * u) * 1e-37) << table->name << " " << x;
        if (std::fabs(x) > 1e3) continue;
        const double clamped = std::min(x, 7.0), other = std::clamp(u, -7.0, 7.0);
        const double oai = clamped / (1 + std::exp(-1.702F * clamped)) * (other + 1);
        ASSERT_NEAR(swiglu[i], oai, std::fabs(oai) * 32 * kUnit + std::fabs(x) * 1e-35) << table->name << " " << x;
        ASSERT_NEAR(alone[i], x / (1 + std::exp(-x)), std::fabs(x) * 16 * kUnit) << table->name << " " << x;
        const double inner = 0.7978845608 * (x + 0.044715 * x * x * x);
        const double g = 0.5 * x * (1 + std::tanh(inner)) * u;
        // 1 + tanh cancels for negative x: the error is of the size of x, not of the result.
        ASSERT_NEAR(gelu[i], g, std::fabs(x * u) * (16 + 8 * std::min(std::fabs(inner), 10.0)) * kUnit)
            << table->name << " " << x;
      }
    }
  }
}

TEST(Rows, QuantizedBlocksAreTheSameOnEveryTarget) {
  auto values = test::random_floats(32 * 9, 5, 3.0F);
  std::fill(values.begin(), values.begin() + 32, 0.0F);
  for (size_t i = 32; i < 64; ++i) values[i] = 1e-42F;
  values[70] = 1e30F;
  std::vector<QuantBlock> expected(9), got(9);
  kScalarKernels.quantize(values.data(), 32 * 9, expected.data());
  for (const KernelTable* table : test::tables()) {
    table->quantize(values.data(), 32 * 9, got.data());
    for (size_t b = 0; b < 9; ++b) {
      EXPECT_EQ(std::memcmp(&expected[b], &got[b], sizeof(QuantBlock)), 0) << table->name << " block " << b;
      int sum = 0;
      for (const int8_t code : got[b].codes) sum += code;
      EXPECT_EQ(got[b].first_sum, kSumBias - 128 * sum);
      EXPECT_EQ(got[b].first_sum16[0] - kSumBias + got[b].first_sum16[1], kSumBias - 128 * sum);
      float largest = 0;
      for (size_t i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(values[b * 32 + i]));
      for (size_t i = 0; i < 32; ++i) {
        EXPECT_NEAR(got[b].scale * static_cast<float>(got[b].codes[i]), values[b * 32 + i],
                    largest / 254 * 1.00001F + 1e-38F);
      }
    }
  }
}

TEST(Rows, QuantizedLongBlocksAreTheSameOnEveryTarget) {
  constexpr size_t kBlocks = 4;
  auto values = test::random_floats(kLongBlock * kBlocks, 5, 3.0F);
  std::fill(values.begin(), values.begin() + kLongBlock, 0.0F);
  for (size_t i = kLongBlock; i < 2 * kLongBlock; ++i) values[i] = 1e-42F;
  values[2 * kLongBlock + 88] = 1e30F;
  std::vector<QuantLongBlock> expected(kBlocks), got(kBlocks);
  kScalarKernels.quantize_long(values.data(), kLongBlock * kBlocks, expected.data());
  for (const KernelTable* table : test::tables()) {
    table->quantize_long(values.data(), kLongBlock * kBlocks, got.data());
    for (size_t b = 0; b < kBlocks; ++b) {
      EXPECT_EQ(std::memcmp(&expected[b], &got[b], offsetof(QuantLongBlock, scale) + sizeof(float)), 0)
          << table->name << " block " << b;
      float largest = 0;
      int sums16[kLongBlock / 16] = {};
      for (size_t i = 0; i < kLongBlock; ++i) {
        largest = std::max(largest, std::fabs(values[b * kLongBlock + i]));
        sums16[i / 16] += got[b].codes[i];
      }
      for (size_t i = 0; i < kLongBlock / 16; ++i) {
        EXPECT_EQ(got[b].sums16[i], sums16[i]);
        EXPECT_EQ(got[b].first_sums16[i], kChainBias - 128 * sums16[i]);
      }
      for (size_t i = 0; i < kLongBlock / 32; ++i) {
        EXPECT_EQ(got[b].sums32[i], sums16[2 * i] + sums16[2 * i + 1]);
        EXPECT_EQ(got[b].first_sums32[i], kChainBias - 128 * got[b].sums32[i]);
      }
      for (size_t i = 0; i < kLongBlock; ++i) {
        EXPECT_NEAR(got[b].scale * static_cast<float>(got[b].codes[i]), values[b * kLongBlock + i],
                    largest / 254 * 1.00001F + 1e-38F);
      }
    }
  }
}

TEST(Rows, WhatIsNoNumberStaysNoNumber) {
  for (const KernelTable* table : test::tables()) {
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
      for (size_t at = 0; at < 32; ++at) {
        auto values = test::random_floats(32, 5);
        values[at] = bad;
        QuantBlock block;
        table->quantize(values.data(), 32, &block);
        EXPECT_TRUE(std::isnan(block.scale)) << table->name << " " << at;
      }
      for (size_t at = 0; at < kLongBlock; ++at) {
        auto values = test::random_floats(kLongBlock, 5);
        values[at] = bad;
        QuantLongBlock block;
        table->quantize_long(values.data(), kLongBlock, &block);
        EXPECT_TRUE(std::isnan(block.scale)) << table->name << " " << at;
      }
    }
    std::vector<float> gate(20, NAN), up(20, 1.0F), out(20);
    table->gate(GateFunction::kSilu, gate.data(), up.data(), 20, out.data());
    for (const float value : out) EXPECT_TRUE(std::isnan(value)) << table->name;
  }
}

TEST(Rows, HalvesAsTheReference) {
  const auto values = test::random_floats(1000, 5, 100.0F);
  for (const KernelTable* table : test::tables()) {
    for (const int64_t n : {int64_t{1000}, int64_t{7}, int64_t{16}, int64_t{23}}) {
      std::vector<uint16_t> out(static_cast<size_t>(n));
      table->to_half(values.data(), n, out.data());
      for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], quant::float_to_half(values[i])) << table->name;
    }
  }
}

}  // namespace
}  // namespace da::backend::cpu
