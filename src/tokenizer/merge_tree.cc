#include "tokenizer/merge_tree.h"

#include <algorithm>

namespace da::tokenizer {

bool MergeTree::is_orderly(const Split& split) const {
  const uint32_t left = left_edges_[static_cast<size_t>(split.left)].made;
  const uint32_t right = left_edges_[static_cast<size_t>(split.right)].made;
  return left != kDisorderly && right != kDisorderly && split.rank >= left && split.rank >= right;
}

void MergeTree::build(const MergeTable& pairs, const std::vector<TokenId>& atoms, std::vector<Split> splits,
                      const Sources& sources) {
  left_edges_.assign(sources.n_tokens, Edge{});
  right_edges_.assign(sources.n_tokens, Edge{});
  left_leaves_.assign(sources.n_tokens, Leaf{});
  right_leaves_.assign(sources.n_tokens, Leaf{});
  shorter_.assign(sources.n_tokens, -1);
  lengths_.assign(sources.n_tokens, 0);
  std::vector<bool> is_stable(sources.n_tokens, false);  // comes out of its own text
  std::vector<TokenId> stable;
  const auto accept = [&](TokenId token, uint32_t made, TokenId left, TokenId right) {
    left_edges_[static_cast<size_t>(token)] = {made, left};
    right_edges_[static_cast<size_t>(token)] = {made, right};
    const auto leaf = [&](TokenId part, const std::vector<Leaf>& leaves, const std::vector<Edge>& edges) {
      const auto index = static_cast<size_t>(part);
      return edges[index].made == kAtom ? Leaf{made - 1, edges[index].part} : leaves[index];
    };
    if (made == kAtom) {
      left_leaves_[static_cast<size_t>(token)] = right_leaves_[static_cast<size_t>(token)] = {kNoMerge, left};
    } else if (made != kDisorderly) {
      left_leaves_[static_cast<size_t>(token)] = leaf(left, left_leaves_, left_edges_);
      right_leaves_[static_cast<size_t>(token)] = leaf(right, right_leaves_, right_edges_);
    }
    is_stable[static_cast<size_t>(token)] = true;
    stable.push_back(token);
  };
  // Pairs of single bytes end every look at a border and mostly merge: a table spares the hash table's cache misses.
  atom_ranks_.assign(size_t{kDenseAtoms} * kDenseAtoms, kNoMerge);
  std::vector<TokenId> dense;
  for (const TokenId atom : atoms) {
    if (is_stable[static_cast<size_t>(atom)]) continue;
    const bool is_dense = sources.text(atom).size() == 1 && dense.size() < kDenseAtoms;
    const int32_t row = is_dense ? static_cast<int32_t>(dense.size()) : -1;
    if (is_dense) dense.push_back(atom);
    accept(atom, kAtom, row, row);
  }
  for (size_t row = 0; row < dense.size(); ++row) {
    for (size_t column = 0; column < dense.size(); ++column)
      atom_ranks_[row * kDenseAtoms + column] = pairs.find(dense[row], dense[column]).rank;
  }

  // Shorter tokens first: both parts of a token are known before it. A counting sort would save little.
  for (const Split& split : splits)
    lengths_[static_cast<size_t>(split.merged)] = static_cast<uint32_t>(sources.text(split.merged).size());
  std::stable_sort(splits.begin(), splits.end(), [&](const Split& a, const Split& b) {
    const uint32_t length_a = lengths_[static_cast<size_t>(a.merged)],
                   length_b = lengths_[static_cast<size_t>(b.merged)];
    return length_a != length_b ? length_a < length_b : a.merged < b.merged;
  });
  for (size_t begin = 0, end = 0; begin < splits.size(); begin = end) {
    const TokenId token = splits[begin].merged;
    bool possible = false;
    for (end = begin; end < splits.size() && splits[end].merged == token; ++end) {
      const Split& split = splits[end];
      if (is_stable[static_cast<size_t>(token)] || !is_stable[static_cast<size_t>(split.left)] ||
          !is_stable[static_cast<size_t>(split.right)])
        continue;
      possible = true;
      if (is_orderly(split) && stay_apart(pairs, split.left, split.right, false))
        accept(token, split.rank + 1, split.left, split.right);
    }
    if (possible && !is_stable[static_cast<size_t>(token)] && sources.merges_to_itself(token))
      accept(token, kDisorderly, -1, -1);
  }

  std::vector<std::pair<std::string_view, int32_t>> texts;
  texts.reserve(stable.size());
  for (const TokenId token : stable) {
    texts.emplace_back(sources.text(token), token);
    lengths_[static_cast<size_t>(token)] = static_cast<uint32_t>(texts.back().first.size());
  }
  tree_ = PrefixTree(texts);
  for (const auto& [text, token] : texts) {
    shorter_[static_cast<size_t>(token)] = text.size() > 1 ? tree_.longest(text.substr(0, text.size() - 1)) : -1;
  }
}

}  // namespace da::tokenizer
