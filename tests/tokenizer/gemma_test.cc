// Gemma 4's vocabulary: SentencePiece's texts with a list of merges.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tokenizer/merge.h"
#include "tokenizer/tiny_vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace da::tokenizer {
namespace {

test::TinyVocabulary gemma() {
  test::TinyVocabulary vocabulary;
  vocabulary.model = "gemma4";
  vocabulary.pre = "gemma4";
  vocabulary.add_sentencepiece_base();
  for (const char* text : {"▁", "a", "b", "中", "\n", "ab", "ba", "▁ab", "aba", "\n\n\n", "中中", "▁▁"})
    vocabulary.add(text);
  vocabulary.add("<turn|>", 3);
  vocabulary.scores.clear();
  vocabulary.merges = {"b a", "a b", "▁ ab", "ab a", "中 中", "▁ ▁"};
  return vocabulary;
}

std::vector<std::string> pieces(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options = {}) {
  std::vector<std::string> out;
  for (const TokenId id : tokenizer.encode(text, options)) out.emplace_back(tokenizer.written(id));
  return out;
}

using Pieces = std::vector<std::string>;

TEST(Gemma, MergesByItsList) {
  const auto made = gemma().make();
  ASSERT_TRUE(made.is_ok()) << made.status().message();
  const Tokenizer& tokenizer = **made;
  EXPECT_EQ(tokenizer.model(), "gemma4");
  EXPECT_EQ(pieces(tokenizer, "ab ab"), (Pieces{"ab", " ab"}));
  EXPECT_EQ(pieces(tokenizer, "aba"), (Pieces{"a", "ba"}));  // the list's order, not the longest
  EXPECT_EQ(pieces(tokenizer, "中中中"), (Pieces{"中中", "中"}));
  EXPECT_EQ(pieces(tokenizer, "a\n\n\nb\n\n"), (Pieces{"a", "\n\n\n", "b", "\n", "\n"}));
  EXPECT_EQ(pieces(tokenizer, "  a"), (Pieces{"  ", "a"}));
  EXPECT_EQ(pieces(tokenizer, "é"), (Pieces{"\xC3", "\xA9"}));
  EXPECT_EQ(pieces(tokenizer, "a<turn|>", {.parse_special = true}), (Pieces{"a", "<turn|>"}));
  EXPECT_EQ(pieces(tokenizer, "a<turn|>").size(), 8u);  // typed by a user: bytes
  for (const char* text : {"ab é\n\n\n 中中文 aba", "", " ", "\n"})
    EXPECT_EQ(*tokenizer.decode(tokenizer.encode(text, {})), text);
}

TEST(Gemma, EncodesAsMergingDoes) {
  // The words of the list, merged by the book.
  struct Rules {
    const Tokenizer& tokenizer;
    size_t symbol_bytes(std::string_view) const { return 1; }
    TokenId symbol_id(std::string_view symbol) const { return tokenizer.encode(symbol, {})[0]; }
    PairMerge pair(TokenId left, TokenId right, std::string_view) const {
      const std::string list[] = {"b a", "a b", "▁ ab", "ab a"};
      const auto text = [&](TokenId id) { return std::string(tokenizer.written(id)); };
      for (uint32_t rank = 0; rank < std::size(list); ++rank) {
        if (list[rank] != text(left) + " " + text(right)) continue;
        return {rank, tokenizer.encode(text(left) + text(right), {})[0]};
      }
      return {};
    }
  };
  const auto made = gemma().make();
  ASSERT_TRUE(made.is_ok());
  std::mt19937 random(4);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (unsigned i = 0, n = random() % 40; i < n; ++i) text += random() % 2 == 0 ? 'a' : 'b';
    WindowMerger<Rules> merger;
    std::vector<TokenId> expected;
    for (const Piece& piece : merger.run({**made}, text, text.size())) expected.push_back(piece.id);
    ASSERT_EQ((*made)->encode(text, {}), expected) << text;
  }
}

TEST(Gemma, ListsThatDoNotFitAreRefused) {
  auto vocabulary = gemma();
  vocabulary.merges.clear();
  EXPECT_EQ(vocabulary.make().code(), ErrorCode::kCorruptData);
  for (const char* merge : {"ab", "a x", "a 中"}) {
    vocabulary.merges = {merge};
    const auto made = vocabulary.make();
    ASSERT_FALSE(made.is_ok()) << merge;
    EXPECT_NE(made.status().message().find("merge 0"), std::string::npos) << made.status().message();
  }
}

}  // namespace
}  // namespace da::tokenizer
