#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/golden.h"
#include "tokenizer/golden_vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace da::tokenizer {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

std::string text_of(const nlohmann::json& test_case, const char* plain, const char* hex) {
  return test_case.contains(plain) ? test_case[plain].get<std::string>() : from_hex(test_case[hex]);
}

class Golden : public testing::TestWithParam<const char*> {};

// Every id of every case, and the text they give back.
TEST_P(Golden, EveryCaseMatches) {
  const auto index = nlohmann::json::parse(test::golden_bytes("tokenizers/index.json"));
  const nlohmann::json* entry = nullptr;
  for (const auto& candidate : index["vocabularies"]) {
    if (candidate["name"] == GetParam()) entry = &candidate;
  }
  ASSERT_NE(entry, nullptr) << GetParam() << " is not in the golden index";
  const test::GoldenVocabulary vocabulary((*entry)["vocab"].get<std::string>());
  const auto cases = nlohmann::json::parse(test::golden_bytes((*entry)["cases"].get<std::string>()))["cases"];
  EXPECT_EQ(cases.size(), (*entry)["n_cases"].get<size_t>());
  ASSERT_GE(cases.size(), 200u);
  int n_passed = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto& test_case = cases[i];
    const std::string text = text_of(test_case, "text", "bytes_hex");
    const EncodeOptions options{.add_special = test_case.value("add_special", false),
                                .parse_special = test_case.value("parse_special", false)};
    const std::vector<TokenId> ids = vocabulary.tokenizer->encode(text, options);
    if (test_case["ids"].is_null()) {  // the reference failed on it; surviving is enough
      ++n_passed;
      continue;
    }
    const auto expected = test_case["ids"].get<std::vector<TokenId>>();
    EXPECT_EQ(ids, expected) << GetParam() << " case " << i << " (" << test_case["category"] << "): " << text;
    const bool differs = test_case.contains("detok") || test_case.contains("detok_hex");
    const std::string expected_text = differs ? text_of(test_case, "detok", "detok_hex") : text;
    const auto given_back = vocabulary.tokenizer->detokenize(expected);
    ASSERT_TRUE(given_back.is_ok());
    EXPECT_EQ(*given_back, expected_text) << GetParam() << " case " << i << " (" << test_case["category"] << ")";
    n_passed += ids == expected && *given_back == expected_text ? 1 : 0;
  }
  test::count_golden("tokenizer texts", static_cast<size_t>(n_passed));
  std::printf("%s: %d of %zu cases\n", GetParam(), n_passed, cases.size());
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, Golden,
                         testing::Values("llama-spm", "llama-bpe", "qwen2", "gpt-2", "phi-3", "deepseek-llm",
                                         "small-spm", "bert-bge", "small-wpm"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

// The list above is complete.
TEST(GoldenIndex, HasNoOtherVocabularies) {
  const auto index = nlohmann::json::parse(test::golden_bytes("tokenizers/index.json"));
  EXPECT_EQ(index["vocabularies"].size(), 9u);
}

}  // namespace
}  // namespace da::tokenizer
