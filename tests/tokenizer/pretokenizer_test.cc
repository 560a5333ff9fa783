#include "tokenizer/pretokenizer.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/unicode.h"

namespace da::tokenizer {
namespace {

using Words = std::vector<std::string>;

Words words(std::string_view name, const std::string& text) {
  const auto pre_tokenizer = PreTokenizer::from_name(name);
  EXPECT_TRUE(pre_tokenizer.is_ok()) << name;
  Words out;
  std::string storage;
  pre_tokenizer->for_each_word(made_well_formed(text, storage), [&](std::string_view word) { out.emplace_back(word); });
  return out;
}

const std::vector<std::string_view> kRules = PreTokenizer::rules();

TEST(PreTokenizer, UnknownNamesListTheKnown) {
  const auto result = PreTokenizer::from_name("no-such");
  EXPECT_EQ(result.code(), ErrorCode::kUnsupported);
  for (const char* part : {"no-such", "llama-bpe", "qwen2", "gpt-2", "deepseek-llm"}) {
    EXPECT_NE(result.status().message().find(part), std::string::npos) << part;
  }
}

TEST(PreTokenizer, Llama3) {
  EXPECT_EQ(words("llama-bpe", "I'LL pay 12345 dollars"), (Words{"I", "'LL", " pay", " ", "123", "45", " dollars"}));
  EXPECT_EQ(words("llama-bpe", "a  b\n\n  c \n"), (Words{"a", " ", " b", "\n\n", " ", " c", " \n"}));
  EXPECT_EQ(words("llama-bpe", "\t中文，好。\r\n"), (Words{"\t中文", "，好", "。\r\n"}));
}

TEST(PreTokenizer, EveryNameOfTheFamiliesIsKnown) {
  for (const char* name :
       {"llama-bpe", "qwen2",      "qwen35",       "deepseek-llm", "deepseek-coder", "deepseek-v3",   "gpt-2",
        "starcoder", "refact",     "command-r",    "olmo",         "dbrx",           "smollm",        "gpt-4o",
        "tekken",    "falcon3",    "mpt",          "chatglm-bpe",  "glm4",           "minerva-7b",    "viking",
        "bloom",     "poro-chat",  "jais",         "exaone",       "kimi-k2",        "seed-coder",    "hunyuan",
        "falcon",    "stablelm2",  "gpt3-finnish", "bailingmoe",   "llada-moe",      "o200k_harmony", "jais-2",
        "minicpm5",  "exaone-moe", "youtu",        "tiny_aya",     "cohere2moe",     "superbpe",      "afmoe",
        "chameleon"}) {
    EXPECT_TRUE(PreTokenizer::from_name(name).is_ok()) << name;
  }
}

TEST(PreTokenizer, BloomKeepsToStops) {
  EXPECT_EQ(words("bloom", "Hi  there, (you) a|b。好"),
            (Words{"Hi", " ", " there", ", (", "you", ")", " a", "|", "b", "。", "好"}));
  EXPECT_EQ(words("viking", "mp3 12"), (Words{"mp", "3", " ", "1", "2"}));
}

TEST(PreTokenizer, SeedCoderLeavesNewlinesToSpace) {
  EXPECT_EQ(words("seed-coder", "a {\n\n  b"), (Words{"a", " {", "\n\n", " ", " b"}));
  EXPECT_EQ(words("qwen2", "a {\n\n  b"), (Words{"a", " {\n\n", " ", " b"}));
}

TEST(PreTokenizer, KimiSetsHanApart) {
  EXPECT_EQ(words("kimi-k2", "getUserName iPhone手机abc"),
            (Words{"get", "User", "Name", " i", "Phone", "手机", "abc"}));
  EXPECT_EQ(words("kimi-k2", "1234 ok/\n，好"), (Words{"123", "4", " ok", "/\n", "，", "好"}));
}

TEST(PreTokenizer, Qwen2) { EXPECT_EQ(words("qwen2", "2025年 ok"), (Words{"2", "0", "2", "5", "年", " ok"})); }

TEST(PreTokenizer, Gpt2) {
  EXPECT_EQ(words("gpt-2", "I'll I'LL  x 42!?\n"), (Words{"I", "'ll", " I", "'", "LL", " ", " x", " 42", "!?", "\n"}));
}

TEST(PreTokenizer, StarcoderSeparatesDigits) {
  EXPECT_EQ(words("starcoder", "a 12b"), (Words{"a", " ", "1", "2", "b"}));
}

TEST(PreTokenizer, Gpt4oEndsWordsAtCapitals) {
  EXPECT_EQ(words("gpt-4o", "helloWorld HTMLParser's ABC"), (Words{"hello", "World", " HTMLParser's", " ABC"}));
  EXPECT_EQ(words("gpt-4o", "中文ABC中文"), (Words{"中文ABC中文"}));
  EXPECT_EQ(words("gpt-4o", "中文ABC"), (Words{"中文", "ABC"}));
  EXPECT_EQ(words("gpt-4o", "path/to//\nx 1234"), (Words{"path", "/to", "//\n", "x", " ", "123", "4"}));
}

TEST(PreTokenizer, TekkenKeepsDigitsApart) {
  EXPECT_EQ(words("tekken", "aB's 12"), (Words{"a", "B", "'s", " ", "1", "2"}));
}

TEST(PreTokenizer, DeepseekV3) {
  EXPECT_EQ(words("deepseek-v3", "Hi, 世界12345!ok"), (Words{"Hi", ",", " ", "世界", "123", "45", "!ok"}));
}

TEST(PreTokenizer, Jais2CutsSpaceBySizes) {
  EXPECT_EQ(words("jais-2", "a" + std::string(7, ' ') + "b 1234"), (Words{"a", "    ", "  ", " b", " ", "123", "4"}));
  EXPECT_EQ(words("jais-2", "a" + std::string(600, ' ')),
            (Words{"a", std::string(512, ' '), std::string(64, ' '), std::string(16, ' '), std::string(8, ' ')}));
  EXPECT_EQ(words("jais-2", "a \n \n  b"), (Words{"a", " \n \n", " ", " b"}));
}

TEST(PreTokenizer, Minicpm5SetsNumbersApartFirst) {
  EXPECT_EQ(words("minicpm5", "at  12345 ok"), (Words{"at", "  ", "123", "45", " ok"}));
  EXPECT_EQ(words("llama-bpe", "at  12345 ok"), (Words{"at", " ", " ", "123", "45", " ok"}));
}

TEST(PreTokenizer, ExaoneMoeKeepsWordsTogether) {
  EXPECT_EQ(words("exaone-moe", "It is fine  now, I'm 12"),
            (Words{"It is fine", " ", " now", ",", " I", "'m", " ", "1", "2"}));
  EXPECT_EQ(words("exaone-moe", "e\u0301 a//\n\n"), (Words{"e\u0301 a", "//\n", "\n"}));
}

TEST(PreTokenizer, YoutuSetsScriptsApart) {
  EXPECT_EQ(words("youtu", "中文，한국ㄅtoFrom 12"), (Words{"中文", "，", "한국", "ㄅ", "to", "From", " ", "1", "2"}));
}

TEST(PreTokenizer, DigitsInGroupsFromTheirEnd) {
  EXPECT_EQ(words("afmoe", "1234567 x12中文"), (Words{"1", "234", "567", " x", "12", "中文"}));
  EXPECT_EQ(words("tiny_aya", "1234 1234x 123456"), (Words{"1", "234", " ", "123", "4", "x", " ", "123", "456"}));
  EXPECT_EQ(words("superbpe", "by the way 1234567, 12 and 123"),
            (Words{"by the way ", "1", "234", "567", ", ", "12", " and ", "123"}));
  EXPECT_EQ(words("superbpe", "12½345"), (Words{"12½", "345"}));
}

TEST(PreTokenizer, ChameleonsOwnMarks) {
  EXPECT_EQ(words("chameleon", "a<sentinel:12>IMGIMGABZ"),
            (Words{"a", "<", "sentinel", ":", "1", "2", ">", "IMGIMGABZ"}));
  EXPECT_EQ(words("chameleon", "x:\t\n     12 it's"),
            (Words{"x", ":", "\t", "\n", "    ", " ", "1", "2", " it", "'", "s"}));
}

// Runs are counted once, not once a piece.
TEST(PreTokenizer, LongRunsCostTheirLength) {
  for (const char* name : {"afmoe", "tiny_aya", "superbpe", "jais-2", "chameleon", "exaone-moe"}) {
    for (const std::string part : {"7", " ", "7x", "IMGIMG", "<sentinel:1", "a "}) {
      std::string text;
      while (text.size() < 2'000'000) text += part;
      const std::clock_t began = std::clock();
      size_t n = 0;
      const auto pre_tokenizer = PreTokenizer::from_name(name);
      pre_tokenizer->for_each_word(text, [&](std::string_view word) { n += word.size(); });
      EXPECT_EQ(n, text.size());
      EXPECT_LT(static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC, 2) << name << " " << part;
    }
  }
}

// For every rule and any text: nothing lost, nothing added, no empty word.
TEST(PreTokenizer, WordsAreTheText) {
  const std::vector<std::string> parts = {
      "a",  "B", "é",         "中", "。",     "１",     "7",      " ", "  ",   "\n",       "\r\n",         "\t",
      "'s", "'", "!",         "/",  "\u3000", "\u0301", "\u200d", "😀", "\xff", "\xe4\xbd", "\xed\xa0\x80", "\x01",
      "$",  "ⅷ", "\U0001E900"};
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    const auto n = random() % 30;
    for (unsigned i = 0; i < n; ++i) text += parts[random() % parts.size()];
    std::string storage;
    const std::string well_formed(made_well_formed(text, storage));
    for (const std::string_view name : kRules) {
      std::string joined;
      for (const std::string& word : words(name, text)) {
        ASSERT_FALSE(word.empty()) << name;
        joined += word;
      }
      ASSERT_EQ(joined, well_formed) << name;
    }
  }
}

TEST(Unicode, TheTableOfAsciiIsTheDatabases) {
  for (char32_t c = 0; c < 128; ++c) EXPECT_EQ(char_class(c), looked_up_class(c)) << static_cast<uint32_t>(c);
}

TEST(Unicode, BrokenBytesBecomeReplacementCharacters) {
  std::string storage;
  EXPECT_EQ(made_well_formed("plain 中文", storage), "plain 中文");
  EXPECT_EQ(made_well_formed("\xe4\xbd", storage), "\uFFFD\uFFFD");
  EXPECT_EQ(made_well_formed("a\xff z", storage), "a\uFFFD z");
  EXPECT_EQ(made_well_formed("\xed\xa0\x80", storage), "\xed\xa0\x80");
  EXPECT_EQ(made_well_formed("\xc0\xaf", storage), "\uFFFD\uFFFD");
  EXPECT_EQ(made_well_formed("\xf5\x80\x80\x80", storage), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(made_well_formed("\xf4\x90\x80\x80", storage), "\uFFFD\uFFFD\uFFFD\uFFFD");
  // Against the strict decoder, surrogates apart: what is valid there stays, what is not does not.
  std::mt19937 random(2);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (unsigned i = 0; i < 12; ++i)
      text += static_cast<char>(random() % 3 == 0 ? random() % 128 : 128 + random() % 128);
    const bool unchanged = made_well_formed(text, storage) == text;
    if (text.find('\xED') == std::string::npos) {
      EXPECT_EQ(unchanged, utf8::is_valid(text));
    }
  }
}

}  // namespace
}  // namespace da::tokenizer
