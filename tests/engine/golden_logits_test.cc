// The reference engine's logits: small models of each architecture, and the quantized files.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "backend/cpu/cpu_backend.h"
#include "engine/eval.h"
#include "engine/pooling.h"
#include "gguf/gguf.h"
#include "support/golden.h"

namespace da::engine {
namespace {

using nlohmann::json;

std::shared_ptr<const gguf::File> open(const std::string& relative) {
  auto file = gguf::File::open(test::golden_path(relative));
  EXPECT_TRUE(file.is_ok()) << file.status().message();
  return file.is_ok() ? std::shared_ptr<const gguf::File>(std::move(file).value()) : nullptr;
}

struct Difference {
  double nmse = 0, max_abs = 0;
};

Difference compare(const std::string& model, const std::vector<int32_t>& tokens, const std::vector<float>& expected,
                   EvalOptions options) {
  size_t at = 0;
  double error = 0, power = 0, largest = 0;
  const Status status = eval_logits(open(model), tokens, options, [&](std::span<const float> logits) {
    for (const float value : logits) {
      const double difference = static_cast<double>(value) - static_cast<double>(expected.at(at));
      error += difference * difference;
      power += static_cast<double>(expected[at]) * static_cast<double>(expected[at]);
      largest = std::isnan(value) ? INFINITY : std::max(largest, std::fabs(difference));
      ++at;
    }
    return Status::ok();
  });
  EXPECT_TRUE(status.is_ok()) << status.message();
  EXPECT_EQ(at, expected.size());
  return {error / power, largest};
}

double nmse(const std::vector<float>& found, const std::vector<float>& expected) {
  if (found.size() != expected.size()) return INFINITY;
  double error = 0, power = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double difference = static_cast<double>(found[i]) - static_cast<double>(expected[i]);
    error += difference * difference;
    power += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
  }
  return error / power;
}

// Each instruction set this CPU has; a build that lost one of its own on such a CPU fails in backend's tests.
std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (const std::string_view name : backend::cpu_isa_names()) {
    if (backend::cpu_isa_supported(name)) names.emplace_back(name);
  }
  return names;
}

// Every golden model of a kind.
std::vector<std::string> golden_models(const std::string& kind) {
  const json index = json::parse(test::golden_bytes("models/index.json"));
  std::vector<std::string> names;
  for (const json& entry : index["models"]) {
    if (entry["kind"] == kind) names.push_back(entry["name"]);
  }
  return names;
}

// Every golden file: a list here would forget some.
std::vector<std::string> golden_quants() {
  const json index = json::parse(test::golden_bytes("quants/index.json"));
  std::vector<std::string> names;
  for (const json& entry : index["files"]) {
    names.push_back(entry["base"].get<std::string>() + "-" + entry["name"].get<std::string>());
  }
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace_if(
      name, [](const unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

model::Pooling pooling_named(const std::string& name) {
  if (name == "mean") return model::Pooling::kMean;
  if (name == "cls") return model::Pooling::kCls;
  if (name == "last") return model::Pooling::kLast;
  ADD_FAILURE() << "pooling " << name;
  return model::Pooling::kMean;
}

class GoldenModel : public testing::TestWithParam<std::string> {};

TEST_P(GoldenModel, GivesTheReferenceLogitsHoweverTheTokensAreCut) {
  const json index = json::parse(test::golden_bytes("models/index.json"));
  for (const json& entry : index["models"]) {
    if (entry["name"] != GetParam()) continue;
    const std::vector<int32_t> tokens = entry["token_ids"];
    const std::vector<float> expected = test::golden_floats(entry["logits"].get<std::string>());
    for (const std::string& isa : supported_isas()) {
      for (const int32_t chunk : {0, 7, 1}) {
        const Difference difference =
            compare(entry["file"], tokens, expected, {.isa = isa, .n_threads = 2, .chunk_tokens = chunk});
        EXPECT_LE(difference.nmse, 1e-8) << isa << " chunk " << chunk;
        EXPECT_LE(difference.max_abs, 1e-4 * entry["logits_absmax"].get<double>()) << isa << " chunk " << chunk;
        RecordProperty(isa + "-" + std::to_string(chunk), std::to_string(difference.nmse * 1e12) + "e-12");
      }
    }
    test::count_golden("models", 1);
    return;
  }
  FAIL() << "no such golden model";
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenModel, testing::ValuesIn(golden_models("logits")), test_name);

class GoldenEmbedding : public testing::TestWithParam<std::string> {};

TEST_P(GoldenEmbedding, GivesTheReferenceStatesAndTheirPooledVector) {
  const json index = json::parse(test::golden_bytes("models/index.json"));
  for (const json& entry : index["models"]) {
    if (entry["name"] != GetParam()) continue;
    const std::vector<int32_t> tokens = entry["token_ids"];
    const std::vector<float> expected = test::golden_floats(entry["embeddings"].get<std::string>());
    const std::vector<float> pooled = test::golden_floats(entry["pooled"].get<std::string>());
    for (const std::string& isa : supported_isas()) {
      std::vector<float> found;
      Pooler pooler(pooling_named(entry["pooling"]));
      const Status status = eval_rows(open(entry["file"]), tokens, model::Output::kHidden, {.isa = isa, .n_threads = 2},
                                      [&](std::span<const float> row) {
                                        found.insert(found.end(), row.begin(), row.end());
                                        pooler.add(row);
                                        return Status::ok();
                                      });
      ASSERT_TRUE(status.is_ok()) << status.message();
      const double states_nmse = nmse(found, expected), pooled_nmse = nmse(pooler.take(), pooled);
      EXPECT_LE(states_nmse, 1e-8) << isa;
      EXPECT_LE(pooled_nmse, 1e-8) << isa;
      RecordProperty(isa, std::to_string(states_nmse * 1e12) + "e-12");
      RecordProperty(isa + "-pooled", std::to_string(pooled_nmse * 1e12) + "e-12");
    }
    EXPECT_EQ(eval_logits(open(entry["file"]), tokens, {}, [](std::span<const float>) { return Status::ok(); }).code(),
              ErrorCode::kUnsupported);
    test::count_golden("models", 1);
    return;
  }
  FAIL() << "no such golden model";
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenEmbedding, testing::ValuesIn(golden_models("embedding")), test_name);

// A model without a test would be a model nobody checked.
TEST(GoldenModels, AllAreTested) {
  const json index = json::parse(test::golden_bytes("models/index.json"));
  const size_t n_logits = golden_models("logits").size(), n_embeddings = golden_models("embedding").size();
  EXPECT_GE(n_logits, 28U);
  EXPECT_GE(n_embeddings, 2U);
  EXPECT_EQ(n_logits + n_embeddings, index["models"].size()) << "a kind of model without a test";
  size_t n_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::golden_path("models")))
    n_files += entry.path().extension() == ".gguf" ? 1 : 0;
  EXPECT_EQ(n_files, index["models"].size());
  std::printf("golden models: %zu with logits, %zu with embeddings; quantized: %zu\n", n_logits, n_embeddings,
              golden_quants().size());
}

std::vector<float> logits_of(const std::string& model, const std::vector<int32_t>& tokens, const EvalOptions& options) {
  std::vector<float> out;
  const Status status =
      eval_logits(open("models/" + model + ".gguf"), tokens, options, [&](std::span<const float> row) {
        out.insert(out.end(), row.begin(), row.end());
        return Status::ok();
      });
  EXPECT_TRUE(status.is_ok()) << status.message();
  return out;
}

TEST(Placement, TwoStagesGiveWhatOneGives) {
  std::vector<int32_t> tokens(40);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i * 37 % 500 + 3);
  const std::pair<std::string, std::vector<int32_t>> cases[] = {
      {"llama", {1, 1}}, {"gpt-oss", {1, 0}}, {"deepseek2", {1, 2}},          {"gemma2", {3, 1}},
      {"phi2", {1, 0}},  {"cohere2", {2, 0}}, {"deepseek2-lite", {10, 9, 8}}, {"qwen2", {1, 1}},
  };
  for (const auto& [model, stage_layers] : cases) {
    for (const int32_t chunk : {0, 7}) {
      const auto one = logits_of(model, tokens, {.n_threads = 2, .chunk_tokens = chunk});
      const auto cut = logits_of(model, tokens, {.n_threads = 1, .chunk_tokens = chunk, .stage_layers = stage_layers});
      EXPECT_EQ(one, cut) << model;
    }
  }
}

TEST(Placement, StagesThatDoNotFitAreNamed) {
  const std::vector<int32_t> tokens = {1, 2, 3};
  const auto refused = [&](const std::string& model, std::vector<int32_t> stage_layers, const std::string& what) {
    const Status status = eval_logits(open("models/" + model + ".gguf"), tokens,
                                      {.n_threads = 1, .stage_layers = std::move(stage_layers)},
                                      [](std::span<const float>) { return Status::ok(); });
    EXPECT_EQ(status.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(status.message().find(what), std::string::npos) << status.message();
  };
  refused("llama", {1}, "1 layers, expected 2");
  refused("llama", {3, 0}, "stage 0 has 3 layers");
  refused("llama", {2, 0}, "stage 1 has 0 layers");
  // Layer 3 of this model reads the keys and values of layer 1.
  refused("gemma4", {3, 3}, "layer 3 reads the keys and values of layer 1");
  refused("gemma4", {2, 4}, "layer 3 reads");
  const std::vector<int32_t> all = {5, 6, 7};
  EXPECT_EQ(logits_of("gemma4", all, {.n_threads = 1, .stage_layers = {1, 5}}),
            logits_of("gemma4", all, {.n_threads = 1}));
}

class GoldenQuant : public testing::TestWithParam<std::string> {};

TEST_P(GoldenQuant, StaysWithinTheReferenceEnginesOwnError) {
  const json index = json::parse(test::golden_bytes("quants/index.json"));
  for (const json& entry : index["files"]) {
    if (entry["base"].get<std::string>() + "-" + entry["name"].get<std::string>() != GetParam()) continue;
    const std::vector<int32_t> tokens = entry["token_ids"];
    const std::vector<float> expected = test::golden_floats(entry["logits"].get<std::string>());
    const double allowed = 1.5 * std::max(entry["engine_nmse"].get<double>(), entry.value("engine_nmse_mean", 0.0));
    for (const std::string& isa : supported_isas()) {
      for (const int32_t chunk : {0, 1}) {
        const Difference difference =
            compare(entry["file"], tokens, expected, {.isa = isa, .n_threads = 2, .chunk_tokens = chunk});
        EXPECT_LE(difference.nmse, allowed) << isa << " chunk " << chunk;
        RecordProperty(isa + "-" + std::to_string(chunk),
                       std::to_string(difference.nmse) + " of " + std::to_string(allowed));
      }
    }
    test::count_golden("quantized files", 1);
    return;
  }
  FAIL() << "no such golden file";
}

TEST(GoldenQuants, AllOfThem) { EXPECT_GE(golden_quants().size(), 38U); }

INSTANTIATE_TEST_SUITE_P(Quants, GoldenQuant, testing::ValuesIn(golden_quants()), test_name);

TEST(Stories, LogitsAndPerplexityOfATrainedModel) {
  const json stories = json::parse(test::golden_bytes("stories/stories260K.json"));
  const std::vector<int32_t> tokens = stories["perplexity"]["token_ids"];
  const std::vector<float> first_logits = test::golden_floats("stories/story.logits.f32");
  ASSERT_EQ(first_logits.size(), 48U * 512);
  for (const std::string& isa : supported_isas()) {
    double nll = 0, error = 0, power = 0;
    size_t position = 0;
    ASSERT_TRUE(eval_logits(open("stories/stories260K.gguf"), tokens, {.isa = isa, .n_threads = 2},
                            [&](std::span<const float> logits) {
                              for (size_t i = 0; i < logits.size() && position < 48; ++i) {
                                const double expected = first_logits[position * 512 + i];
                                error += (static_cast<double>(logits[i]) - expected) *
                                         (static_cast<double>(logits[i]) - expected);
                                power += expected * expected;
                              }
                              if (++position == tokens.size()) return Status::ok();
                              const double largest = *std::max_element(logits.begin(), logits.end());
                              double sum = 0;
                              for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
                              nll += std::log(sum) + largest -
                                     static_cast<double>(logits[static_cast<size_t>(tokens[position])]);
                              return Status::ok();
                            })
                    .is_ok());
    EXPECT_NEAR(nll / static_cast<double>(tokens.size() - 1), stories["perplexity"]["mean_nll"].get<double>(), 1e-5)
        << isa;
    EXPECT_LE(error / power, 1e-8) << isa;
  }
  test::count_golden("stories", 1);
}

TEST(Eval, RefusesWhatItCannotRun) {
  const auto file = open("stories/stories260K.gguf");
  const auto nothing = [](std::span<const float>) { return Status::ok(); };
  EXPECT_EQ(eval_logits(file, {}, {}, nothing).code(), ErrorCode::kInvalidArgument);
  const std::vector<int32_t> outside = {1, 512};
  EXPECT_EQ(eval_logits(file, outside, {}, nothing).code(), ErrorCode::kInvalidArgument);
  const std::vector<int32_t> one = {1};
  const Status unknown = eval_logits(file, one, {.isa = "mmx"}, nothing);
  EXPECT_EQ(unknown.code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(unknown.message().find("scalar"), std::string::npos) << unknown.message();
}

}  // namespace
}  // namespace da::engine
