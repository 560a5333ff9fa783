#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/merge.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/prefix_tree.h"
#include "tokenizer/tokenizer.h"

namespace da::tokenizer {

// Encodes words without merging them. What merging makes of a word is the one list of tokens in which each token comes
// out of its own text and each two neighbours, merged alone, stay apart (see Merger). Such a list is found from left to
// right: the longest token that stays apart from the one before; where none does, the one before was wrong, and a
// shorter one takes its place. A place from which no list goes on is marked and never tried again, so the time is
// linear.
//
// Whether two tokens stay apart is read off the merges they are made of, as long as those come in order of their ranks
// ("orderly" tokens, nearly all); for the others the caller merges.
class MergeTree {
 public:
  // A way to put a token together from two.
  struct Split {
    TokenId left, right, merged;
    uint32_t rank;
  };
  struct Sources {
    size_t n_tokens;
    std::function<std::string_view(TokenId)> text;
    // Whether merging the token's text gives the token.
    std::function<bool(TokenId)> merges_to_itself;
  };
  struct Scratch {
    std::vector<uint64_t> dead;   // a bit for each place in the word
    std::vector<uint64_t> known;  // direct-mapped: a pair of tokens, and whether they stay apart
  };

  // `atoms`: the tokens of one symbol, out of which all others are made; `splits`: all that `pairs` holds.
  void build(const MergeTable& pairs, const std::vector<TokenId>& atoms, std::vector<Split> splits,
             const Sources& sources);
  bool is_built() const { return !lengths_.empty(); }

  // Appends the word's tokens to `out`. merge_apart(left_bytes, both): whether two tokens stay apart, by merging their
  // text; unknown(rest): a symbol that is no token is at the front, returns its length. False, with `out` as it was, if
  // there is no such list (the rules contradict themselves).
  template <class MergeApart, class Unknown>
  bool encode(const MergeTable& pairs, std::string_view word, std::vector<TokenId>& out, Scratch& scratch,
              const MergeApart& merge_apart, const Unknown& unknown) const;

 private:
  static constexpr uint32_t kAtom = 0, kDisorderly = 0xFFFFFFFF;
  static constexpr int32_t kDenseAtoms = 256;
  // The token's part at one of its ends, and the rank + 1 of the merge that joins it to the other. Of an atom: its row
  // or column in the table of atoms, -1 if it has none.
  struct Edge {
    uint32_t made = kAtom;
    int32_t part = -1;
  };

  // The token's atom at one of its ends (as `part` of an Edge), and the rank of the merge it disappears in.
  struct Leaf {
    uint32_t ends = kNoMerge;
    int32_t part = -1;
  };

  bool stay_apart(const MergeTable& pairs, TokenId left, TokenId right, bool at_top) const;
  // Whether already the atoms at the border merge: most pairs that do not stay apart show it there.
  bool atoms_merge(TokenId left, TokenId right) const {
    const Leaf x = right_leaves_[static_cast<size_t>(left)], y = left_leaves_[static_cast<size_t>(right)];
    if ((x.part | y.part) < 0) return false;
    const uint32_t rank = atom_ranks_[static_cast<size_t>(x.part * kDenseAtoms + y.part)];
    return (rank < x.ends) & (rank <= y.ends) & (rank != kNoMerge);
  }
  bool is_orderly(const Split& split) const;

  PrefixTree tree_;
  std::vector<Edge> left_edges_, right_edges_;    // [n_tokens]
  std::vector<Leaf> left_leaves_, right_leaves_;  // [n_tokens]
  std::vector<uint32_t> atom_ranks_;              // [kDenseAtoms][kDenseAtoms] of the pairs of one-byte atoms
  std::vector<uint32_t> lengths_;                 // [n_tokens] bytes
  std::vector<TokenId> shorter_;  // [n_tokens] the longest token that the text begins with, but for itself; -1: none
};

// x goes down the right edge of `left`, y down the left edge of `right`, undoing the later of the two merges each time:
// these are the neighbours that stand at the border while both are merged. They merge if their rank's turn comes before
// that of the merge that makes one of them disappear; equal ranks go from left to right. Which merge is the later one
// no processor can predict, so there is no branch on it.
inline bool MergeTree::stay_apart(const MergeTable& pairs, TokenId left, TokenId right, bool at_top) const {
  uint32_t left_ends = kNoMerge, right_ends = kNoMerge;
  for (;;) {
    const Edge x = right_edges_[static_cast<size_t>(left)], y = left_edges_[static_cast<size_t>(right)];
    const bool atoms = (x.made | y.made) == kAtom;
    if (at_top || atoms) {
      const bool dense = atoms && x.part >= 0 && y.part >= 0;
      const uint32_t rank =
          dense ? atom_ranks_[static_cast<size_t>(x.part * kDenseAtoms + y.part)] : pairs.find(left, right).rank;
      if (rank < left_ends && rank <= right_ends && rank != kNoMerge && at_top) return false;
      if (atoms) return true;
    }
    at_top = true;
    const bool undo_left = x.made > y.made;
    left_ends = undo_left ? x.made - 1 : left_ends;
    right_ends = undo_left ? right_ends : y.made - 1;
    left = undo_left ? x.part : left;
    right = undo_left ? right : y.part;
  }
}

template <class MergeApart, class Unknown>
bool MergeTree::encode(const MergeTable& pairs, std::string_view word, std::vector<TokenId>& out, Scratch& scratch,
                       const MergeApart& merge_apart, const Unknown& unknown) const {
  const size_t n_before = out.size();
  size_t bottom = n_before, at = 0;  // tokens below `bottom` are settled: a symbol without a token lies between
  bool any_dead = false;
  const auto is_dead = [&](size_t place) { return any_dead && (scratch.dead[place / 64] >> place % 64 & 1) != 0; };
  const auto decide = [&](TokenId before, TokenId token) {
    if (right_edges_[static_cast<size_t>(before)].made != kDisorderly &&
        right_edges_[static_cast<size_t>(token)].made != kDisorderly)
      return !atoms_merge(before, token) && stay_apart(pairs, before, token, true);
    const size_t left_bytes = lengths_[static_cast<size_t>(before)];
    return merge_apart(left_bytes, word.substr(at - left_bytes, left_bytes + lengths_[static_cast<size_t>(token)]));
  };
  const auto fits = [&](TokenId token) {
    if (is_dead(at + lengths_[static_cast<size_t>(token)])) return false;
    if (out.size() == bottom) return true;
    const TokenId before = out.back();
    // Text that leads into dead ends asks for the same pairs again and again.
    const uint64_t key = uint64_t{static_cast<uint32_t>(before)} << 32 | static_cast<uint32_t>(token);
    uint64_t* known = any_dead ? &scratch.known[(key * 0x9E3779B97F4A7C15) >> 53] : nullptr;
    if (known != nullptr && (*known >> 1) == key) return (*known & 1) != 0;
    const bool apart = decide(before, token);
    if (known != nullptr) *known = key << 1 | (apart ? 1 : 0);
    return apart;
  };
  const auto repeats = [&] {
    if (out.size() == bottom || word[at] != word[at - lengths_[static_cast<size_t>(out.back())]]) return false;
    const size_t n_bytes = lengths_[static_cast<size_t>(out.back())];
    return word.substr(at, n_bytes) == word.substr(at - n_bytes, n_bytes);
  };
  while (at < word.size()) {
    // A run is mostly the same token again; trying that first spares long ways into dead ends.
    if (repeats() && fits(out.back())) {
      at += lengths_[static_cast<size_t>(out.back())];
      out.push_back(out.back());
      continue;
    }
    TokenId token = tree_.longest(word.substr(at));
    if (token < 0) {
      at += unknown(word.substr(at));
      bottom = out.size();
      continue;
    }
    while (!fits(token)) {
      token = shorter_[static_cast<size_t>(token)];
      while (token < 0) {
        if (out.size() == bottom) {
          out.resize(n_before);
          return false;
        }
        if (!any_dead) {
          scratch.dead.assign(word.size() / 64 + 1, 0);
          scratch.known.resize(1 << 11, ~uint64_t{0});
        }
        any_dead = true;
        scratch.dead[at / 64] |= uint64_t{1} << at % 64;
        const auto last = static_cast<size_t>(out.back());
        out.pop_back();
        at -= lengths_[last];
        // It may have been tried out of turn.
        token = out.size() > bottom && static_cast<size_t>(out.back()) == last ? tree_.longest(word.substr(at))
                                                                               : shorter_[last];
      }
    }
    out.push_back(token);
    at += lengths_[static_cast<size_t>(token)];
  }
  return true;
}

}  // namespace da::tokenizer
