// Long-rope's two sets of factors: each sequence has its own, beside others in a batch.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "model/run_model.h"
#include "support/golden.h"

namespace da::model {
namespace {

TEST(LongRope, NearAndFarSequencesInOneBatch) {
  const std::shared_ptr<const gguf::File> file =
      std::move(gguf::File::open(da::test::golden_path("models/phi3-longrope-long.gguf"))).value();
  auto model = std::move(Model::load(file, on_one(test::make_backend()))).value();
  EXPECT_FALSE(model->is_far(16));
  EXPECT_TRUE(model->is_far(17));
  std::vector<int32_t> tokens;
  std::vector<float> expected;
  const auto index = nlohmann::json::parse(da::test::golden_bytes("models/index.json"));
  for (const auto& entry : index["models"]) {
    if (entry["name"] != "phi3-longrope-long") continue;
    tokens = entry["token_ids"].get<std::vector<int32_t>>();
    expected = da::test::golden_floats(entry["logits"].get<std::string>());
  }
  const auto n = static_cast<int32_t>(tokens.size());
  ASSERT_EQ(n, 48);
  std::vector<int32_t> twice = tokens, outputs(static_cast<size_t>(2 * n));
  twice.insert(twice.end(), tokens.begin(), tokens.end());
  std::iota(outputs.begin(), outputs.end(), 0);
  ASSERT_TRUE(model->reserve(2 * n, 2 * n).is_ok());
  const auto run = [&](bool first_is_far, bool second_is_far) {
    const auto kv = std::move(model->make_kv_cache(backend::KvType::kF32, 4)).value();
    EXPECT_TRUE(kv->grow(4).is_ok());
    const std::vector<int32_t> first_pages = {0, 1}, second_pages = {3, 2};
    const backend::SequenceRows sequences[] = {{0, n, 0, first_pages, first_is_far},
                                               {n, n, 0, second_pages, second_is_far}};
    const auto rows = model->forward({.token_ids = twice, .sequences = sequences, .output_rows = outputs}, *kv);
    EXPECT_TRUE(rows.is_ok());
    const auto view = std::move(model->output_backend().read_rows(**rows)).value();
    std::vector<float> all;
    for (int64_t i = 0; i < view.n_rows; ++i) all.insert(all.end(), view.row(i).begin(), view.row(i).end());
    return all;
  };
  const auto half = [](const std::vector<float>& all, int which) {
    const size_t size = all.size() / 2;
    return std::span(all).subspan(which == 0 ? 0 : size, size);
  };
  const auto mixed = run(false, true), near = run(false, false), far = run(true, true);
  EXPECT_LE(test::nmse(half(far, 0), expected), 1e-8);
  EXPECT_TRUE(std::ranges::equal(half(mixed, 1), half(far, 0)));
  EXPECT_TRUE(std::ranges::equal(half(mixed, 0), half(near, 0)));
  EXPECT_GT(test::nmse(half(near, 0), expected), 1e-3);
}

}  // namespace
}  // namespace da::model
