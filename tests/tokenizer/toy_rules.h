#pragma once

#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/merge.h"

namespace da::tokenizer {

// Random merges over a few letters; ids are indices of texts. Ranks need not be in any sensible order: the definition
// holds for all lists.
struct ToyRules {
  std::vector<std::string> texts;
  std::map<std::pair<TokenId, TokenId>, PairMerge> merges;

  ToyRules(std::mt19937& random, int n_letters, int n_merges) {
    for (int i = 0; i < n_letters; ++i) texts.emplace_back(1, static_cast<char>('a' + i));
    std::map<std::string, TokenId> ids;
    for (size_t i = 0; i < texts.size(); ++i) ids[texts[i]] = static_cast<TokenId>(i);
    const bool ordered = random() % 2 == 0;
    for (int i = 0; i < n_merges; ++i) {
      const auto left = static_cast<TokenId>(random() % texts.size()),
                 right = static_cast<TokenId>(random() % texts.size());
      const std::string both = texts[static_cast<size_t>(left)] + texts[static_cast<size_t>(right)];
      if (both.size() > 40 || merges.contains({left, right})) continue;
      if (!ids.contains(both)) {
        ids[both] = static_cast<TokenId>(texts.size());
        texts.push_back(both);
      }
      merges[{left, right}] = {ordered ? static_cast<uint32_t>(i) : static_cast<uint32_t>(random() % 8), ids[both]};
    }
  }
  size_t symbol_bytes(std::string_view) const { return 1; }
  TokenId symbol_id(std::string_view symbol) const { return symbol[0] - 'a'; }
  PairMerge pair(TokenId left, TokenId right, std::string_view) const {
    const auto found = merges.find({left, right});
    return found == merges.end() ? PairMerge{} : found->second;
  }
};

// The definition, word for word.
inline std::vector<TokenId> merged_naively(const ToyRules& rules, const std::string& text) {
  std::vector<TokenId> ids;
  for (const char c : text) ids.push_back(c - 'a');
  for (;;) {
    PairMerge best;
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const PairMerge pair = rules.pair(ids[i], ids[i + 1], {});
      if (pair.rank < best.rank) best = pair, at = i;
    }
    if (best.rank == kNoMerge) return ids;
    ids[at] = best.merged;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

inline std::string random_text(std::mt19937& random, int n_letters, size_t n) {
  std::string text;
  const bool runs = random() % 3 == 0;  // long repetitions now and then
  while (text.size() < n) {
    const auto letter = static_cast<char>('a' + random() % static_cast<unsigned>(n_letters));
    text.append(runs ? 1 + random() % 300 : 1, letter);
  }
  return text.substr(0, n);
}

}  // namespace da::tokenizer
