#include "tokenizer/vocabulary.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tokenizer/tiny_vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace da::tokenizer {
namespace {

test::TinyVocabulary sentencepiece() {
  test::TinyVocabulary vocabulary;
  vocabulary.add_sentencepiece_base();
  return vocabulary;
}

test::TinyVocabulary byte_level() {
  test::TinyVocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "qwen2";
  for (const char* text : {"a", "b", "c", "ab", "abc"}) vocabulary.add(text);
  vocabulary.add("<|im_end|>", 3);
  vocabulary.scores.clear();
  vocabulary.merges = {"a b", "ab c"};
  return vocabulary;
}

void expect_refused(const test::TinyVocabulary& vocabulary, std::string_view part,
                    ErrorCode code = ErrorCode::kCorruptData) {
  const auto result = vocabulary.make();
  ASSERT_FALSE(result.is_ok()) << "accepted; expected: " << part;
  EXPECT_EQ(result.code(), code) << result.status().message();
  EXPECT_NE(result.status().message().find(part), std::string::npos) << result.status().message();
  EXPECT_NE(result.status().message().find("tiny.gguf"), std::string::npos) << result.status().message();
}

TEST(Vocabulary, SoundOnesLoad) {
  EXPECT_TRUE(sentencepiece().make().is_ok());
  const auto tokenizer = byte_level().make();
  ASSERT_TRUE(tokenizer.is_ok()) << tokenizer.status().message();
  EXPECT_EQ((*tokenizer)->encode("abcab", {}), (std::vector<TokenId>{4, 3}));
}

TEST(VocabularyG09, UnknownModelsListTheKnown) {
  auto vocabulary = sentencepiece();
  vocabulary.model = "rwkv";
  expect_refused(vocabulary, "known: bert, gemma4, gpt2, llama", ErrorCode::kUnsupported);
  vocabulary = byte_level();
  vocabulary.pre = "strange";
  expect_refused(vocabulary, "unknown pre-tokenizer \"strange\"", ErrorCode::kUnsupported);
}

TEST(VocabularyG09, ArraysHaveOneElementAToken) {
  auto vocabulary = sentencepiece();
  vocabulary.types.pop_back();
  expect_refused(vocabulary, "token_type\": expected 259 elements (one a token), found 258");
  vocabulary = sentencepiece();
  vocabulary.scores.push_back(0);
  expect_refused(vocabulary, "scores\": expected 259 elements (one a token), found 260");
  vocabulary = sentencepiece();
  vocabulary.tokens.clear();
  expect_refused(vocabulary, "expected 1 to");
}

TEST(VocabularyG09, TypesAndScores) {
  for (const int32_t type : {-1, 7, 1000}) {
    auto vocabulary = sentencepiece();
    vocabulary.types[5] = type;
    expect_refused(vocabulary, "token 5 has type " + std::to_string(type));
  }
  for (const float score : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto vocabulary = sentencepiece();
    vocabulary.scores[9] = score;
    expect_refused(vocabulary, "score of token 9");
  }
}

TEST(VocabularyG09, ByteTokens) {
  for (const char* text : {"<0x-1>", "<0x0>", "<0x000>", "<0xGG>", "0x00", ""}) {
    auto vocabulary = sentencepiece();
    vocabulary.tokens[3] = text;
    expect_refused(vocabulary, "token 3 is a byte token");
  }
  EXPECT_EQ(byte_of_token("<0x0A>"), 10);
  EXPECT_EQ(byte_of_token("<0xfF>"), 255);
}

TEST(VocabularyG09, SpecialIdsLieInTheVocabulary) {
  for (const char* key : {"bos_token_id", "eos_token_id", "unknown_token_id", "seperator_token_id", "cls_token_id",
                          "padding_token_id", "mask_token_id", "eot_token_id", "eom_token_id"}) {
    for (const uint32_t id : {259u, 1u << 31, 0xFFFFFFFEu}) {
      auto vocabulary = sentencepiece();
      vocabulary.more = [&](gguf::Writer& writer) { writer.add_uint32(std::string("tokenizer.ggml.") + key, id); };
      expect_refused(vocabulary, std::string(key) + "\": token id " + std::to_string(id) +
                                     " is not below the vocabulary's size 259");
    }
    auto vocabulary = sentencepiece();
    vocabulary.more = [&](gguf::Writer& writer) {
      writer.add_uint32(std::string("tokenizer.ggml.") + key, 0xFFFFFFFF);
    };
    EXPECT_TRUE(vocabulary.make().is_ok()) << key << ": 2^32 - 1 means none";
  }
}

TEST(VocabularyG09, Merges) {
  const auto with = [](const std::string& merge) {
    auto vocabulary = byte_level();
    vocabulary.merges[1] = merge;
    return vocabulary;
  };
  expect_refused(with("ab"), "merge 1 is not two tokens");
  expect_refused(with(""), "merge 1 is not two tokens");
  expect_refused(with(" "), "merge 1 is not two tokens");
  expect_refused(with("ab "), "merge 1 is not two tokens");
  expect_refused(with("x c"), "merge 1 names a left token");
  expect_refused(with("ab x"), "merge 1 names a right token");
  expect_refused(with("b c"), "merge 1 makes a token");
}

TEST(VocabularyG09, GiantTokens) {
  auto vocabulary = sentencepiece();
  vocabulary.add(std::string(65'537, 'x'));
  expect_refused(vocabulary, "token 259 has 65537 bytes");
}

TEST(VocabularyG09, TextThatCouldNotBeEncoded) {
  test::TinyVocabulary vocabulary;
  vocabulary.add("a");
  vocabulary.more = [](gguf::Writer& writer) { writer.add_uint32("tokenizer.ggml.unknown_token_id", 0); };
  EXPECT_TRUE(vocabulary.make().is_ok());
  vocabulary.model = "bert";
  vocabulary.more = [](gguf::Writer&) {};
  expect_refused(vocabulary, "unknown_token_id");
}

// A damaged vocabulary is refused or works; it never crashes.
TEST(Vocabulary, DamagedFilesNeverCrash) {
  for (const test::TinyVocabulary& sound : {sentencepiece(), byte_level()}) {
    gguf::Writer writer;
    writer.add_string("tokenizer.ggml.model", sound.model);
    writer.add_string("tokenizer.ggml.pre", sound.pre);
    writer.add_strings("tokenizer.ggml.tokens", sound.tokens);
    writer.add_int32s("tokenizer.ggml.token_type", sound.types);
    if (!sound.scores.empty()) writer.add_float32s("tokenizer.ggml.scores", sound.scores);
    if (!sound.merges.empty()) writer.add_strings("tokenizer.ggml.merges", sound.merges);
    writer.add_uint32("tokenizer.ggml.bos_token_id", 1);
    const std::string whole = *writer.serialize();
    unsigned state = 1;
    for (int round = 0; round < 3000; ++round) {
      std::string damaged = whole;
      for (int i = 0; i < 3; ++i) {
        state = state * 1664525 + 1013904223;
        damaged[(state >> 8) % damaged.size()] = static_cast<char>(state >> 24);
      }
      const auto file = gguf::File::parse(std::as_bytes(std::span(damaged)), "damaged");
      if (!file.is_ok()) continue;
      const auto tokenizer = Tokenizer::from_gguf(**file);
      if (!tokenizer.is_ok()) continue;
      const auto ids = (*tokenizer)->encode("abc <s> 中文\xff", {.add_special = true, .parse_special = true});
      EXPECT_TRUE((*tokenizer)->decode(ids, true).is_ok());
    }
  }
}

}  // namespace
}  // namespace da::tokenizer
