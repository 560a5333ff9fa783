// Experts of many rows: weights read once for the rows of an expert, by the tensor cores, give what the kernels for few
// rows give.
#include <gtest/gtest.h>

#include <cmath>

#include "backend/backends.h"
#include "backend/support.h"
#include "support/gpu_notes.h"

namespace da::backend::cuda {
namespace {

using cpu::test::random_floats;
using gguf::TensorType;

class GroupedExperts : public testing::TestWithParam<TensorType> {};

TEST_P(GroupedExperts, GiveWhatFewRowsGive) {
  constexpr int32_t kExperts = 5, kUsed = 2, kRows = 75, kFew = 5;
  constexpr int64_t kIn = 256, kOut = 70;
  const auto backend = backend::test::make_backend(backend::test::backend_names().front());
  const auto blocks = cpu::test::random_rows(GetParam(), kIn * kOut * kExperts, 3);
  gguf::Tensor tensor{.name = "experts", .type = GetParam(), .n_dims = 3};
  tensor.dims = {kIn, kOut, kExperts, 1};
  tensor.size_bytes = blocks.size();
  tensor.data = blocks;
  const auto weight = std::move(backend->load_weight(tensor, {})).value();
  const Weight* reader = weight.get();
  const auto bias_values = random_floats(kExperts * kOut, 4);
  const auto bias = std::move(backend->load_vector(bias_values)).value();
  const auto x = random_floats(kRows * kIn, 5), logits = random_floats(kRows * kExperts, 6, 2.0F);
  const auto make = [&](int64_t width, int32_t rows, bool read) {
    return std::move(
               backend->make_activation(width, rows, read ? std::span(&reader, 1) : std::span<const Weight* const>()))
        .value();
  };
  const auto routing = std::move(backend->make_routing(kExperts, kUsed, kRows, kIn, {&reader, 1})).value();
  const auto in = make(kIn, kRows, true), scores = make(kExperts, kRows, false), out = make(kOut, kRows * kUsed, false);
  const auto run = [&](int32_t first, int32_t n) {
    EXPECT_TRUE(backend->write_rows({x.data() + first * kIn, n, kIn, kIn}, *in).is_ok());
    EXPECT_TRUE(backend->write_rows({logits.data() + first * kExperts, n, kExperts, kExperts}, *scores).is_ok());
    backend->route({}, *scores, *routing);
    backend->expert_linear(*in, ExpertInput::kBatchRows, *routing, {{{weight.get(), out.get(), bias.get()}}});
    const auto view = backend->read_rows(*out);
    EXPECT_TRUE(view.is_ok()) << view.status().message();
    std::vector<float> values;
    for (int64_t i = 0; view.is_ok() && i < view->n_rows; ++i)
      values.insert(values.end(), view->row(i).begin(), view->row(i).end());
    return values;
  };
  const std::vector<float> together = run(0, kRows);
  std::vector<float> apart;
  for (int32_t first = 0; first < kRows; first += kFew) {
    const std::vector<float> few = run(first, kFew);
    apart.insert(apart.end(), few.begin(), few.end());
  }
  ASSERT_EQ(together.size(), apart.size());
  float largest = 0;
  for (const float value : apart) largest = std::max(largest, std::fabs(value));
  // F16 and BF16 round the activations to 11 bits where there are many rows; the others differ in the order of sums.
  const bool rounded = GetParam() == TensorType::kF16 || GetParam() == TensorType::kBF16;
  const float allowed = largest * (rounded ? 0x1p-10F : 1e-5F);
  for (size_t i = 0; i < together.size(); ++i) ASSERT_NEAR(together[i], apart[i], allowed) << i;
  da::test::note_gpu("operations", "grouped experts", std::string(gguf::tensor_type_info(GetParam()).name));
}

INSTANTIATE_TEST_SUITE_P(Types, GroupedExperts,
                         testing::Values(TensorType::kF32, TensorType::kF16, TensorType::kBF16, TensorType::kQ8_0,
                                         TensorType::kQ4_0, TensorType::kQ5_1, TensorType::kQ4_K, TensorType::kQ5_K,
                                         TensorType::kQ6_K),
                         [](const testing::TestParamInfo<TensorType>& type) {
                           return std::string(gguf::tensor_type_info(type.param).name);
                         });

}  // namespace
}  // namespace da::backend::cuda
