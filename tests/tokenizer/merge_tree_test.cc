#include "tokenizer/merge_tree.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tokenizer/prefix_tree.h"
#include "tokenizer/toy_rules.h"

namespace da::tokenizer {
namespace {

// A tree over toy rules, whatever the order of their ranks.
struct ToyTree {
  explicit ToyTree(const ToyRules& toy_rules) : rules(toy_rules) {
    std::vector<MergeTree::Split> splits;
    pairs.reserve(rules.merges.size());
    for (const auto& [pair, merge] : rules.merges) {
      pairs.add(pair.first, pair.second, merge);
      splits.push_back({pair.first, pair.second, merge.merged, merge.rank});
    }
    std::vector<TokenId> atoms;
    for (size_t i = 0; i < rules.texts.size(); ++i) {
      if (rules.texts[i].size() == 1) atoms.push_back(static_cast<TokenId>(i));
    }
    const auto text = [this](TokenId id) -> std::string_view { return rules.texts[static_cast<size_t>(id)]; };
    tree.build(pairs, atoms, splits,
               {rules.texts.size(), text, [&](TokenId id) { return merger.is_one(rules, text(id), id); }});
  }
  std::vector<TokenId> encode(const std::string& text) {
    std::vector<TokenId> ids = {-7};  // what stands before stays
    MergeTree::Scratch scratch;
    const bool done = tree.encode(
        pairs, text, ids, scratch,
        [&](size_t left_bytes, std::string_view both) { return merger.stay_apart(rules, both, left_bytes); },
        [&](std::string_view) {
          ids.push_back(-1);
          return size_t{1};
        });
    EXPECT_TRUE(done) << text;
    EXPECT_EQ(ids.front(), -7);
    ids.erase(ids.begin());
    return ids;
  }
  const ToyRules& rules;
  MergeTable pairs;
  MergeTree tree;
  Merger<ToyRules> merger;
};

TEST(MergeTree, WordsMatchTheDefinition) {
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    const int n_letters = 1 + static_cast<int>(random() % 4);
    const ToyRules rules(random, n_letters, 1 + static_cast<int>(random() % 60));
    ToyTree tree(rules);
    for (int i = 0; i < 3; ++i) {
      const std::string text = random_text(random, n_letters, random() % 120);
      ASSERT_EQ(tree.encode(text), merged_naively(rules, text)) << "round " << round;
    }
  }
}

TEST(MergeTree, LongWordsMatchMerging) {
  std::mt19937 random(12);
  for (int round = 0; round < 200; ++round) {
    const int n_letters = 1 + static_cast<int>(random() % 4);
    const ToyRules rules(random, n_letters, 1 + static_cast<int>(random() % 200));
    const std::string text = random_text(random, n_letters, 2000 + random() % 3000);
    WindowMerger<ToyRules> whole;
    std::vector<TokenId> expected;
    for (const Piece& piece : whole.run(rules, text, text.size())) expected.push_back(piece.id);
    ASSERT_EQ(ToyTree(rules).encode(text), expected) << "round " << round;
  }
}

TEST(MergeTree, SymbolsWithoutATokenDivideTheText) {
  std::mt19937 random(13);
  const ToyRules rules(random, 2, 20);
  ToyTree tree(rules);
  std::vector<TokenId> expected = merged_naively(rules, "abab");
  expected.push_back(-1);
  for (const TokenId id : merged_naively(rules, "baab")) expected.push_back(id);
  EXPECT_EQ(tree.encode("abab?baab"), expected);
}

TEST(PrefixTree, HoldsWhatItWasGiven) {
  std::mt19937 random(14);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> texts;
    for (unsigned i = 0, n = random() % 600; i < n; ++i) {
      std::string text;
      for (unsigned k = 0, size = random() % 6; k < size; ++k)
        text += static_cast<char>(round % 2 == 0 ? random() % 256 : 'a' + random() % 3);
      texts.push_back(text);
    }
    std::vector<std::pair<std::string_view, int32_t>> entries;
    for (size_t i = 0; i < texts.size(); ++i) entries.emplace_back(texts[i], static_cast<int32_t>(i));
    const PrefixTree tree(entries);
    for (int probe = 0; probe < 300; ++probe) {
      std::string text = texts.empty() ? "" : texts[random() % texts.size()];
      text += static_cast<char>(random() % 256);
      text.erase(0, random() % 2);
      int32_t expected = -1;
      size_t longest = 0;
      for (size_t i = 0; i < texts.size(); ++i) {
        if (texts[i].empty() || !std::string_view(text).starts_with(texts[i]) || texts[i].size() < longest) continue;
        longest = texts[i].size();
        expected = static_cast<int32_t>(i);
      }
      ASSERT_EQ(tree.longest(text), expected);
      ASSERT_EQ(!text.empty() && tree.can_start(text[0]),
                std::any_of(texts.begin(), texts.end(),
                            [&](const std::string& t) { return !text.empty() && !t.empty() && t[0] == text[0]; }));
    }
  }
}

}  // namespace
}  // namespace da::tokenizer
