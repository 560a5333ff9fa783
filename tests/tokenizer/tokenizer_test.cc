#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/golden_vocabulary.h"
#include "tokenizer/tiny_vocabulary.h"

namespace da::tokenizer {
namespace {

const char* const kVocabularies[] = {"llama-spm", "llama-bpe", "qwen2", "gpt-2", "phi-3", "deepseek-llm", "bert-bge"};

std::string file_of(const char* name) { return std::string("tokenizers/") + name + ".gguf.gz"; }

// T03: no text makes a control token, unless it is asked for.
TEST(TokenizerT03, ControlTokensDoNotComeFromPlainText) {
  for (const char* name : kVocabularies) {
    const test::GoldenVocabulary vocabulary(file_of(name));
    const Tokenizer& tokenizer = *vocabulary.tokenizer;
    const uint64_t unknown = *vocabulary.file->get_uint_or("tokenizer.ggml.unknown_token_id", 0);
    std::string all;
    int n_control = 0;
    for (TokenId id = 0; id < tokenizer.n_tokens(); ++id) {
      if (tokenizer.kind(id) != TokenKind::kControl) continue;
      ++n_control;
      const std::string written(tokenizer.written(id));
      all += "x" + written + " " + written;
      for (const std::string& text : {written, "a" + written + "b"}) {
        for (const TokenId found : tokenizer.encode(text, {})) {
          if (static_cast<uint64_t>(found) == unknown && tokenizer.model() == "bert") continue;
          ASSERT_NE(tokenizer.kind(found), TokenKind::kControl) << name << ": " << text;
        }
      }
      EXPECT_EQ(tokenizer.encode(written, {.parse_special = true}), std::vector<TokenId>{id})
          << name << ": " << written;
      EXPECT_EQ(tokenizer.bytes(id), "");
      EXPECT_EQ(*tokenizer.decode(std::vector<TokenId>{id}, true), written);
    }
    EXPECT_GT(n_control, 0) << name;
    for (const TokenId found : tokenizer.encode(all, {})) {
      if (static_cast<uint64_t>(found) == unknown && tokenizer.model() == "bert") continue;
      ASSERT_NE(tokenizer.kind(found), TokenKind::kControl) << name;
    }
  }
}

// What is encoded comes back, byte for byte, whole and token by token. T04: characters split over tokens come out whole.
TEST(Tokenizer, RoundTrip) {
  std::mt19937 random(17);
  for (const char* name : {"llama-spm", "llama-bpe", "qwen2", "gpt-2", "deepseek-llm"}) {
    const test::GoldenVocabulary vocabulary(file_of(name));
    const Tokenizer& tokenizer = *vocabulary.tokenizer;
    for (int round = 0; round < 500; ++round) {
      std::string text;
      const auto n = random() % 60;
      for (unsigned i = 0; i < n; ++i) {
        const auto below = [&](unsigned n_values) { return static_cast<char32_t>(random() % n_values); };
        const char32_t candidates[] = {
            0x20 + below(95), 0x4E00 + below(3000), 0x1F300 + below(200), 0xA0 + below(0x500), ' ', '\n'};
        const char32_t c = candidates[below(6)];
        if (c != 0x2581) utf8::append(text, c);
      }
      const std::vector<TokenId> ids = tokenizer.encode(text, {});
      const auto back = tokenizer.decode(ids);
      ASSERT_TRUE(back.is_ok());
      EXPECT_EQ(*back, text) << name;
      std::string joined;
      utf8::Assembler assembler;
      for (const TokenId id : ids) joined += assembler.push(tokenizer.bytes(id));
      joined += assembler.finish();
      EXPECT_EQ(joined, tokenizer.model() == "llama" && !text.empty() ? " " + text : text) << name;
    }
  }
}

TEST(Tokenizer, DecodeRefusesForeignIds) {
  const test::GoldenVocabulary vocabulary("stories/stories260K.gguf");
  for (const TokenId id : {-1, 512, 1 << 30}) {
    const auto result = vocabulary.tokenizer->decode(std::vector<TokenId>{1, id});
    EXPECT_EQ(result.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(result.status().message().find("position 1"), std::string::npos);
  }
}

TEST(Tokenizer, LeadingSpaceIsTakenOffOnce) {
  const test::GoldenVocabulary vocabulary(file_of("llama-spm"));
  const Tokenizer& tokenizer = *vocabulary.tokenizer;
  EXPECT_EQ(*tokenizer.decode(tokenizer.encode("Hello", {})), "Hello");
  EXPECT_EQ(*tokenizer.decode(tokenizer.encode("  Hello", {})), "  Hello");
  EXPECT_EQ(*tokenizer.decode(tokenizer.encode("Hello", {.add_special = true})), "Hello");
  EXPECT_EQ(*tokenizer.decode({}), "");
}

TEST(Tokenizer, EndOfGeneration) {
  const auto ends = [](const char* name) {
    const test::GoldenVocabulary vocabulary(file_of(name));
    std::vector<std::string> texts;
    for (TokenId id = 0; id < vocabulary.tokenizer->n_tokens(); ++id) {
      if (vocabulary.tokenizer->is_end_of_generation(id)) texts.emplace_back(vocabulary.tokenizer->written(id));
    }
    return texts;
  };
  EXPECT_EQ(ends("llama-bpe"), (std::vector<std::string>{"<|end_of_text|>", "<|eot_id|>"}));
  EXPECT_EQ(ends("qwen2"), (std::vector<std::string>{"<|endoftext|>", "<|im_end|>"}));
  EXPECT_EQ(ends("llama-spm"), (std::vector<std::string>{"</s>"}));
  EXPECT_EQ(ends("phi-3"), (std::vector<std::string>{"<|endoftext|>", "<|end|>"}));
  EXPECT_EQ(ends("deepseek-llm"), (std::vector<std::string>{"<｜end▁of▁sentence｜>"}));

  test::TinyVocabulary harmony;
  harmony.add_sentencepiece_base();
  const TokenId end = harmony.add("<|end|>", 3), call = harmony.add("<|call|>", 3),
                result = harmony.add("<|return|>", 3);
  const TokenId plain = harmony.add("<|eot_id|>", 1), own = harmony.add("<bye>", 3);
  harmony.more = [&](gguf::Writer& writer) {
    writer.add_uint32("tokenizer.ggml.eot_token_id", static_cast<uint32_t>(own));
  };
  const auto tokenizer = harmony.make();
  ASSERT_TRUE(tokenizer.is_ok());
  EXPECT_FALSE((*tokenizer)->is_end_of_generation(end));
  EXPECT_TRUE((*tokenizer)->is_end_of_generation(call));
  EXPECT_TRUE((*tokenizer)->is_end_of_generation(result));
  EXPECT_FALSE((*tokenizer)->is_end_of_generation(plain));
  EXPECT_TRUE((*tokenizer)->is_end_of_generation(own));
}

// As the bundled model has them: pieces of JSON as user-defined tokens, no space prefix.
TEST(Tokenizer, UserDefinedTokensComeFirstAndLongestFirst) {
  test::TinyVocabulary vocabulary;
  vocabulary.add_sentencepiece_base();
  const TokenId brace = vocabulary.add("{", 4), key = vocabulary.add("{\"quote\": \"", 4),
                close = vocabulary.add("\"}", 4);
  const TokenId word = vocabulary.add("中文", 1, -1), zhong = vocabulary.add("中", 1, -5),
                wen = vocabulary.add("文", 1, -6);
  const TokenId space = vocabulary.add("▁", 1, -7), spaced = vocabulary.add(" {", 4);
  vocabulary.more = [](gguf::Writer& writer) {
    writer.add_bool("tokenizer.ggml.add_space_prefix", false);
    writer.add_bool("tokenizer.ggml.add_bos_token", true);
  };
  const auto made = vocabulary.make();
  ASSERT_TRUE(made.is_ok()) << made.status().message();
  const Tokenizer& tokenizer = **made;
  const std::string text = "{\"quote\": \"中文 文中\"}";
  EXPECT_EQ(tokenizer.encode(text, {}), (std::vector<TokenId>{key, word, space, wen, zhong, close}));
  EXPECT_EQ(tokenizer.encode(text, {.add_special = true, .parse_special = true}),
            (std::vector<TokenId>{1, key, word, space, wen, zhong, close}));
  EXPECT_EQ(tokenizer.encode("{{\"q {", {}), (std::vector<TokenId>{brace, brace, 3 + '"', 3 + 'q', spaced}));
  EXPECT_EQ(*tokenizer.decode(tokenizer.encode(text, {})), text);
  EXPECT_EQ(*tokenizer.decode(tokenizer.encode(" x", {})), " x");
}

// Among overlapping tokens the longest wins wherever it stands, as in the reference.
TEST(Tokenizer, OverlappingUserDefinedTokens) {
  test::TinyVocabulary vocabulary;
  vocabulary.add_sentencepiece_base();
  const TokenId ab = vocabulary.add("ab", 4), bcd = vocabulary.add("bcd", 4), dd = vocabulary.add("dd", 4);
  vocabulary.more = [](gguf::Writer& writer) { writer.add_bool("tokenizer.ggml.add_space_prefix", false); };
  const auto made = vocabulary.make();
  ASSERT_TRUE(made.is_ok());
  EXPECT_EQ((*made)->encode("abcdd", {}), (std::vector<TokenId>{3 + 'a', bcd, 3 + 'd'}));
  EXPECT_EQ((*made)->encode("abcxdd", {}), (std::vector<TokenId>{ab, 3 + 'c', 3 + 'x', dd}));
  EXPECT_EQ((*made)->encode("ddd", {}), (std::vector<TokenId>{dd, 3 + 'd'}));
}

}  // namespace
}  // namespace da::tokenizer
