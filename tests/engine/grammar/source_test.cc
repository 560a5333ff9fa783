#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "base/utf8.h"
#include "base/white_space.h"
#include "engine/grammar/source_index.h"
#include "engine/grammar/suffix_array.h"
#include "engine/grammar/support.h"

namespace da::grammar::testing {
namespace {

std::string to_utf8(std::u32string_view text) {
  std::string out;
  for (const char32_t c : text) utf8::append(out, c);
  return out;
}

// The one way a quote is written.
std::string canonical(std::u32string_view text) {
  std::string out = "\"";
  for (const char32_t c : text) {
    static constexpr std::string_view kShort = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
    const size_t at = c < 0x80 ? kShort.find(static_cast<char>(c)) : std::string_view::npos;
    if (at != std::string_view::npos) {
      out += {'\\', kLetters[at]};
    } else if (c < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      utf8::append(out, c);
    }
  }
  return out + "\"";
}

const Json kQuote = {{"type", "string"}, {"x-source", true}};

TEST(SuffixArray, EqualsSorting) {
  Random random(11);
  for (int i = 0; i < 3000; ++i) {
    const int32_t alphabet = 1 + static_cast<int32_t>(pick(random, 5));
    std::vector<int32_t> text(pick(random, 60));
    for (int32_t& c : text) c = static_cast<int32_t>(pick(random, static_cast<size_t>(alphabet)));
    std::vector<int32_t> expected(text.size());
    std::iota(expected.begin(), expected.end(), 0);
    std::sort(expected.begin(), expected.end(), [&](int32_t a, int32_t b) {
      return std::lexicographical_compare(text.begin() + a, text.end(), text.begin() + b, text.end());
    });
    ASSERT_EQ(suffix_array(text, alphabet), expected);
  }
}

// Every substring of whole words is taken, and nothing else.
TEST(Source, ExactlyTheSubstrings) {
  Random random(12);
  for (int round = 0; round < 60; ++round) {
    const std::u32string source = random_source(random, 1 + pick(random, 24));
    if (std::all_of(source.begin(), source.end(), [](char32_t c) { return utf8::is_blank(c); })) continue;
    const auto grammar = compile(kQuote, to_utf8(source));
    ASSERT_TRUE(grammar);
    for (size_t begin = 0; begin < source.size(); ++begin) {
      for (size_t length = 1; begin + length <= source.size(); ++length) {
        const std::u32string quote = source.substr(begin, length);
        ASSERT_EQ(accepts(grammar, canonical(quote)), quotable(quote, source)) << canonical(quote);
      }
    }
    for (int i = 0; i < 200; ++i) {
      const std::u32string other = random_source(random, pick(random, 5));
      ASSERT_EQ(accepts(grammar, canonical(other)), quotable(other, source)) << canonical(other);
    }
    for (int i = 0; i < 20; ++i) {
      const std::string text = random_text(grammar, random, pick(random, 60));
      const Json value = Json::parse(text, nullptr, false);
      ASSERT_TRUE(value.is_string()) << text;
      const auto code_points = utf8::to_code_points(value.get<std::string>());
      ASSERT_NE(source.find(std::u32string(code_points.begin(), code_points.end())), std::u32string::npos) << text;
      ASSERT_EQ(canonical(std::u32string(code_points.begin(), code_points.end())), text);
    }
  }
}

TEST(Source, LengthsAreHonouredWithoutDeadEnds) {
  Random random(13);
  int compiled = 0;
  for (int round = 0; round < 400; ++round) {
    // Many blanks, so that a last visible character is hard to come by.
    std::u32string source;
    const size_t n = 1 + pick(random, 30);
    for (size_t i = 0; i < n; ++i) source += U"ab  \n　é-"[pick(random, 8)];
    const size_t min = pick(random, 6), max = min + pick(random, 6);
    Json schema = kQuote;
    if (min > 0) schema["minLength"] = min;
    schema["maxLength"] = max;
    if (pick(random, 2)) schema["x-allow-empty"] = true;
    const std::string text = to_utf8(source);
    auto grammar = Grammar::from_json_schema(schema.dump(), text);
    if (!grammar.is_ok()) {
      EXPECT_EQ(grammar.code(), ErrorCode::kInvalidArgument);
      continue;
    }
    ++compiled;
    for (int i = 0; i < 20; ++i) {
      const std::string written = random_text(*grammar, random, pick(random, 20));
      ASSERT_TRUE(valid(schema, Json::parse(written), schema, text)) << written << " of " << canonical(source) << schema;
    }
  }
  EXPECT_GT(compiled, 200);
}

TEST(Source, WholeWordsAndNumbers) {
  const auto grammar = compile(kQuote, "Sales rose 61.2% to 1,234.5 million, naïve cafe\u0301; 销售额42.7万辆, Ёлка. End.");
  for (const char* text : {"\"Sales\"", "\"rose 61.2%\"", "\"1,234.5 million\"", "\"naïve\"", "\"售额42.7万\"", "\"End\"", "\"End.\"", "\"% to 1,234.5\"", "\"Ёлка\""}) {
    EXPECT_TRUE(accepts(grammar, text)) << text;
  }
  for (const char* text : {"\"Sale\"", "\"ales\"", "\"rose 61\"", "\"rose 61.2% t\"", "\"2%\"", "\"1,234\"", "\"234.5\"", "\"cafe\"", "\"na\"", "\"2.7万\"", "\"Ёлк\"", "\"лка\"", "\",\""}) {
    EXPECT_FALSE(accepts(grammar, text)) << text;
  }
  // What is a word in one place and part of one in another is a word.
  EXPECT_TRUE(accepts(compile(kQuote, "them the theme"), "\"the\""));
  EXPECT_FALSE(accepts(compile(kQuote, "them theme"), "\"the\""));
}

TEST(Source, EmptyAndBlank) {
  Json empty = kQuote;
  empty["x-allow-empty"] = true;
  EXPECT_TRUE(accepts(compile(empty, "a"), "\"\""));
  EXPECT_FALSE(accepts(compile(kQuote, "a"), "\"\""));
  EXPECT_TRUE(accepts(compile(empty, " \n"), "\"\""));
  EXPECT_EQ(refusal(kQuote, " \n\xE2\x80\x8B").code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal({{"type", "object"}, {"properties", {{"q", kQuote}}}, {"required", {"q"}}}, " ").message().find("\"/properties/q\"") == std::string::npos, false);
  // An optional quote that cannot be is never begun.
  EXPECT_EQ(Matcher(compile({{"type", "array"}, {"items", kQuote}}, "  ")).forced(), "[]");
  EXPECT_EQ(refusal(kQuote, "a\xFF").code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Grammar::from_json_schema(kQuote.dump()).code(), ErrorCode::kInvalidArgument);
}

TEST(Source, CharactersSplitOverTokens) {
  Matcher matcher(compile(kQuote, "你好😀é"));
  EXPECT_TRUE(matcher.accept("\"\xE4"));
  EXPECT_FALSE(matcher.accept("\xB8"));
  EXPECT_TRUE(matcher.accept("\xBD\xA0\xE5"));
  EXPECT_FALSE(matcher.accept("\""));
  EXPECT_TRUE(matcher.accept("\xA5\xBD\xF0\x9F"));
  EXPECT_EQ(matcher.forced(), "\x98\x80");
  EXPECT_TRUE(matcher.accept("\x98\x80"));
  EXPECT_FALSE(matcher.accept("\xC2"));
  EXPECT_TRUE(matcher.accept("\xC3\xA9\""));
  EXPECT_TRUE(matcher.must_end());
  // 0xE0 and 0xF0 begin characters of three and four bytes only, never shorter ones written long.
  Matcher ascii(compile(kQuote, "ab"));
  for (const char* lead : {"\"\xE0", "\"\xF0", "\"\xC2", "\"\\"}) EXPECT_FALSE(ascii.accept(lead));
}

TEST(Source, LargeSources) {
  Random random(14);
  const auto time_ms = [](const auto& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  };
  std::string lines, prose, same(1000000, 'x');
  for (int i = 0; i < 200000; ++i) lines += "行\r\n";
  while (prose.size() < 1000000) utf8::append(prose, static_cast<char32_t>(0x4E00 + std::min(pick(random, 3000), pick(random, 3000))));
  for (const std::string* source : {&lines, &prose, &same}) {
    std::shared_ptr<const Grammar> grammar;
    const double built = time_ms([&] { grammar = compile(kQuote, *source); });
    std::string text;
    const double walked = time_ms([&] { text = random_text(grammar, random, 100); });
    RecordProperty("build_ms", std::to_string(built));
    EXPECT_LT(built, 5000) << source->size();
    EXPECT_LT(walked, 5000);
    EXPECT_NE(source->find(Json::parse(text).get<std::string>()), std::string::npos);
    std::printf("%zu bytes: built in %.0f ms, a quote of %zu bytes in %.1f ms\n", source->size(), built, text.size(), walked);
  }
}

}  // namespace
}  // namespace da::grammar::testing
