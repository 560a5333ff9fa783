// The reference engine's logits: small models of each architecture, and the quantized files.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "backend/cpu/cpu_backend.h"
#include "engine/eval.h"
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

// Each instruction set this CPU has; a build that lost one of its own on such a CPU fails in backend's tests.
std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (const std::string_view name : backend::cpu_isa_names()) {
    if (backend::cpu_isa_supported(name)) names.emplace_back(name);
  }
  return names;
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
    return;
  }
  FAIL() << "no such golden model";
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenModel,
                         testing::Values("llama", "llama-ropefreqs", "llama-linear", "llama-yarn", "qwen2", "qwen3"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

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
    return;
  }
  FAIL() << "no such golden file";
}

// Every golden file of the bases `half`, `one` and `two`: a list here would forget some.
std::vector<std::string> golden_quants() {
  const json index = json::parse(test::golden_bytes("quants/index.json"));
  std::vector<std::string> names;
  for (const json& entry : index["files"]) {
    const std::string base = entry["base"];
    if (base == "half" || base == "one" || base == "two")
      names.push_back(base + "-" + entry["name"].get<std::string>());
  }
  return names;
}

TEST(GoldenQuants, AllOfThem) { EXPECT_EQ(golden_quants().size(), 36U); }

INSTANTIATE_TEST_SUITE_P(Quants, GoldenQuant, testing::ValuesIn(golden_quants()), [](const auto& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Stories, LogitsAndPerplexityOfATrainedModel) {
  const json stories = json::parse(test::golden_bytes("stories/stories260K.json"));
  const std::vector<int32_t> tokens = stories["perplexity"]["token_ids"];
  for (const std::string& isa : supported_isas()) {
    double nll = 0;
    size_t position = 0;
    ASSERT_TRUE(eval_logits(open("stories/stories260K.gguf"), tokens, {.isa = isa, .n_threads = 2},
                            [&](std::span<const float> logits) {
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
  }
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
