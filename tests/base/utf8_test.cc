#include "base/utf8.h"

#include <gtest/gtest.h>

#include <random>

namespace da::utf8 {
namespace {

TEST(Utf8, FindsTheFirstInvalidByte) {
  EXPECT_EQ(find_invalid("深析 DeepAnalyze 😀"), std::nullopt);
  const std::pair<std::string, size_t> bad[] = {
      {"a\x80", 1},           {"\xC0\xAF", 0},         {"\xE0\x80\x80", 0}, {"\xED\xA0\x80", 0},  // lone byte, overlong, surrogate
      {"ok\xF4\x90\x80\x80", 2}, {"\xE6\xB7", 0},      {"\xFF", 0},         {"中\xE6\xB7\x20", 3}};
  for (const auto& [text, at] : bad) EXPECT_EQ(find_invalid(text), at);
}

TEST(Utf8, MaximalSubpartsCountAsOneReplacement) {
  // Unicode 15, table 3-8: 61 F1 80 80 E1 80 C2 62 80 63 80 BF 64.
  EXPECT_EQ(to_code_points("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            (std::vector<char32_t>{'a', 0xFFFD, 0xFFFD, 0xFFFD, 'b', 0xFFFD, 'c', 0xFFFD, 0xFFFD, 'd'}));
}

TEST(Utf8, EveryScalarValueSurvivesARoundTrip) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string bytes;
    append(bytes, c);
    const Decoded d = decode_one(bytes);
    ASSERT_TRUE(d.valid && d.code_point == c && d.length == bytes.size()) << static_cast<uint32_t>(c);
  }
}

// However a text is cut, the pieces put together are the text, and every piece is valid by itself.
TEST(Utf8, AssemblerNeverSplitsACharacter) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    const size_t n = random() % 12;
    for (size_t i = 0; i < n; ++i) append(text, std::vector<char32_t>{'x', 0xE9, 0x6DF1, 0x1F600}[random() % 4]);
    Assembler assembler;
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t step = 1 + random() % 5;
      const std::string piece = assembler.push(std::string_view(text).substr(at, step));
      ASSERT_TRUE(is_valid(piece));
      out += piece;
      at += step;
    }
    EXPECT_EQ(out + assembler.finish(), text);
  }
}

TEST(Utf8, AssemblerReplacesWhatCannotBecomeValid) {
  Assembler assembler;
  EXPECT_EQ(assembler.push("a\xE6"), "a");
  EXPECT_EQ(assembler.push("b"), "\xEF\xBF\xBD" "b");
  EXPECT_EQ(assembler.push("\xF0\x9F"), "");
  EXPECT_EQ(assembler.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(assembler.finish(), "");
}

}  // namespace
}  // namespace da::utf8
