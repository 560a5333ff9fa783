#include "tokenizer/merge.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tokenizer/toy_rules.h"

namespace da::tokenizer {
namespace {

std::vector<TokenId> merged(const ToyRules& rules, const std::string& text) {
  Merger<ToyRules> merger;
  std::vector<TokenId> ids;
  std::string joined;
  merger.run(rules, text, [&](TokenId id, std::string_view piece) {
    ids.push_back(id);
    joined += piece;
    EXPECT_EQ(piece, rules.texts[static_cast<size_t>(id)]);
  });
  EXPECT_EQ(joined, text);
  return ids;
}

TEST(Merge, WordsMatchTheDefinition) {
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    const int n_letters = 1 + static_cast<int>(random() % 4);
    const ToyRules rules(random, n_letters, 1 + static_cast<int>(random() % 60));
    const std::string text = random_text(random, n_letters, random() % 150);
    ASSERT_EQ(merged(rules, text), merged_naively(rules, text)) << "round " << round;
  }
}

TEST(Merge, JoinedWindowsMatchTheWholeWord) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const int n_letters = 1 + static_cast<int>(random() % 4);
    const ToyRules rules(random, n_letters, 1 + static_cast<int>(random() % 200));
    const std::string text = random_text(random, n_letters, 1025 + random() % 5000);
    WindowMerger<ToyRules> whole;
    std::vector<TokenId> expected;
    for (const Piece& piece : whole.run(rules, text, text.size())) expected.push_back(piece.id);
    ASSERT_EQ(merged(rules, text), expected) << "round " << round << ", " << text.size() << " letters";
  }
}

}  // namespace
}  // namespace da::tokenizer
