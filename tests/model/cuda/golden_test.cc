// The golden models through the CUDA backend on the emulated GPU: the reference engine's logits within the tolerances
// the CPU is held to, in one batch and cut up, and the text of a trained model token by token.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "backend/cuda/cuda_backend.h"
#include "cuda_emulation/emulation.h"
#include "gguf/gguf.h"
#include "model/model.h"
#include "support/golden.h"

namespace da::model {
namespace {

using nlohmann::json;

// A model with one sequence on a fresh emulated GPU.
class OneSequence {
 public:
  OneSequence(const std::string& path, int32_t max_rows, int32_t max_tokens, backend::KvType kv_type) {
    cuda_emulation::configure({});
    std::shared_ptr<const gguf::File> file = std::move(gguf::File::open(test::golden_path(path))).value();
    auto loaded = Model::load(file, std::move(backend::cuda::make_cuda_backend({.n_threads = 1})).value());
    EXPECT_TRUE(loaded.is_ok()) << path << ": " << loaded.status().message();
    model_ = std::move(loaded).value();
    EXPECT_TRUE(model_->reserve(max_rows, max_rows).is_ok());
    pages_.resize(static_cast<size_t>((max_tokens + backend::kPageTokens - 1) / backend::kPageTokens));
    std::iota(pages_.rbegin(), pages_.rend(), 0);
    kv_ = std::move(model_->make_kv_pool(kv_type, static_cast<int32_t>(pages_.size()))).value();
    EXPECT_TRUE(kv_->grow(static_cast<int32_t>(pages_.size())).is_ok());
  }

  // The next tokens; logits of all of them, or of the last.
  const backend::Activation& forward(std::span<const int32_t> tokens, bool all) {
    const auto n = static_cast<int32_t>(tokens.size());
    sequence_ = {.first_row = 0, .n_rows = n, .first_position = n_done_, .pages = pages_};
    n_done_ += n;
    outputs_.resize(all ? tokens.size() : 1);
    std::iota(outputs_.begin(), outputs_.end(), all ? 0 : n - 1);
    return model_->forward({.token_ids = tokens, .sequences = {&sequence_, 1}, .output_rows = outputs_}, *kv_);
  }
  backend::Backend& backend() { return model_->backend(); }

 private:
  std::unique_ptr<Model> model_;
  std::unique_ptr<backend::KvPool> kv_;
  std::vector<int32_t> pages_, outputs_;
  backend::SequenceRows sequence_;
  int32_t n_done_ = 0;
};

struct Difference {
  double nmse = 0, max_abs = 0;
};

Difference compare(const std::string& path, const std::vector<int32_t>& tokens, const std::vector<float>& expected,
                   size_t chunk) {
  OneSequence sequence(path, static_cast<int32_t>(chunk), static_cast<int32_t>(tokens.size()), backend::KvType::kF32);
  double error = 0, power = 0, largest = 0;
  size_t at = 0;
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const auto part = std::span(tokens).subspan(begin, std::min(chunk, tokens.size() - begin));
    const auto view = sequence.backend().read_rows(sequence.forward(part, true));
    EXPECT_TRUE(view.is_ok()) << view.status().message();
    if (!view.is_ok()) return {INFINITY, INFINITY};
    for (int64_t row = 0; row < view->n_rows; ++row) {
      for (const float value : view->row(row)) {
        const double difference = static_cast<double>(value) - static_cast<double>(expected.at(at));
        error += difference * difference;
        power += static_cast<double>(expected[at]) * static_cast<double>(expected[at]);
        largest = std::isnan(value) ? INFINITY : std::max(largest, std::fabs(difference));
        ++at;
      }
    }
  }
  EXPECT_EQ(at, expected.size());
  return {error / power, largest};
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class GoldenOnGpu : public testing::TestWithParam<std::string> {};

TEST_P(GoldenOnGpu, GivesTheReferenceLogitsHoweverTheTokensAreCut) {
  const json index = json::parse(test::golden_bytes("models/index.json"));
  for (const json& entry : index["models"]) {
    if (entry["name"] != GetParam()) continue;
    const std::vector<int32_t> tokens = entry["token_ids"];
    const std::vector<float> expected = test::golden_floats(entry["logits"].get<std::string>());
    for (const size_t chunk : {tokens.size(), size_t{5}, size_t{1}}) {
      const Difference difference = compare(entry["file"], tokens, expected, chunk);
      EXPECT_LE(difference.nmse, 1e-8) << "chunk " << chunk;
      EXPECT_LE(difference.max_abs, 1e-4 * entry["logits_absmax"].get<double>()) << "chunk " << chunk;
      RecordProperty("chunk-" + std::to_string(chunk), std::to_string(difference.nmse * 1e12) + "e-12");
    }
    return;
  }
  FAIL() << "no such golden model";
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenOnGpu,
                         testing::Values("llama", "llama-ropefreqs", "llama-linear", "llama-yarn", "qwen2", "qwen3"),
                         test_name);

class GoldenQuantOnGpu : public testing::TestWithParam<std::string> {};

TEST_P(GoldenQuantOnGpu, StaysWithinTheReferenceEnginesOwnError) {
  const json index = json::parse(test::golden_bytes("quants/index.json"));
  for (const json& entry : index["files"]) {
    if (entry["base"].get<std::string>() + "-" + entry["name"].get<std::string>() != GetParam()) continue;
    const std::vector<int32_t> tokens = entry["token_ids"];
    const std::vector<float> expected = test::golden_floats(entry["logits"].get<std::string>());
    const double allowed = 1.5 * std::max(entry["engine_nmse"].get<double>(), entry.value("engine_nmse_mean", 0.0));
    for (const size_t chunk : {tokens.size(), size_t{6}}) {  // by the kernels for many rows, and for few
      const Difference difference = compare(entry["file"], tokens, expected, chunk);
      EXPECT_LE(difference.nmse, allowed) << "chunk " << chunk;
      RecordProperty("chunk-" + std::to_string(chunk),
                     std::to_string(difference.nmse) + " of " + std::to_string(allowed));
    }
    return;
  }
  FAIL() << "no such golden file";
}

INSTANTIATE_TEST_SUITE_P(Quants, GoldenQuantOnGpu,
                         testing::Values("half-F16", "half-BF16", "one-Q8_0", "one-Q4_0", "one-Q4_1", "one-Q5_0",
                                         "one-Q5_1", "one-Q2_K", "one-Q3_K", "one-Q4_K", "one-Q5_K", "one-Q6_K",
                                         "two-mix-Q2_K", "two-mix-Q3_K_M", "two-mix-Q4_K_M", "two-mix-Q5_K_M"),
                         test_name);

TEST(StoriesOnGpu, GreedyTextTokenByToken) {
  const json stories = json::parse(test::golden_bytes("stories/stories260K.json"));
  const std::vector<int32_t> prompt = stories["greedy"]["prompt_ids"];
  const std::vector<int32_t> expected = stories["greedy"]["ids"];
  constexpr size_t kTokens = 60;
  OneSequence sequence("stories/stories260K.gguf", 32, 128, backend::KvType::kF32);
  std::vector<int32_t> found, next(1);
  ASSERT_TRUE(sequence.backend().argmax(sequence.forward(prompt, false), next).is_ok());
  while (found.size() < kTokens) {
    found.push_back(next[0]);
    const std::vector<int32_t> token = next;
    ASSERT_TRUE(sequence.backend().argmax(sequence.forward(token, false), next).is_ok());
  }
  EXPECT_EQ(found, std::vector<int32_t>(expected.begin(), expected.begin() + kTokens));
  EXPECT_GT(cuda_emulation::n_graph_launches(), kTokens / 2) << "decode steps are replayed";
}

}  // namespace
}  // namespace da::model
