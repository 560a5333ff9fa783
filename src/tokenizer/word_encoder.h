#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/merge.h"
#include "tokenizer/merge_tree.h"
#include "tokenizer/word_cache.h"

namespace da::tokenizer {

// The words of one text, for one encode() call: those seen a moment ago from the cache, others by the tree, and where
// the vocabulary has no such tree by merging. `Rules` as in WindowMerger, and besides
//   void unknown(std::string_view symbol, std::vector<TokenId>& out) const    for a symbol that is no token
template <class Rules>
class WordEncoder {
 public:
  WordEncoder(const Rules& rules, const MergeTable& pairs, const MergeTree& tree, size_t text_bytes)
      : rules_(rules), pairs_(pairs), tree_(tree), cache_(text_bytes) {}

  void encode(std::string_view word, std::vector<TokenId>& out) {
    if (cache_.append(word, out)) return;
    const size_t n_before = out.size();
    if (!tree_.is_built() || !encode_by_tree(word, out)) {
      merger_.run(rules_, word, [&](TokenId id, std::string_view text) {
        if (id >= 0) {
          out.push_back(id);
        } else {
          rules_.unknown(text, out);
        }
      });
    }
    cache_.remember(word, std::span(out).subspan(n_before));
  }
  WordCache& cache() { return cache_; }

 private:
  bool encode_by_tree(std::string_view word, std::vector<TokenId>& out) {
    return tree_.encode(
        pairs_, word, out, scratch_,
        [&](size_t left_bytes, std::string_view both) { return merger_.stay_apart(rules_, both, left_bytes); },
        [&](std::string_view rest) {
          const size_t n_bytes = std::min(rules_.symbol_bytes(rest), rest.size());
          rules_.unknown(rest.substr(0, n_bytes), out);
          return n_bytes;
        });
  }

  Rules rules_;
  const MergeTable& pairs_;
  const MergeTree& tree_;
  WordCache cache_;
  Merger<Rules> merger_;
  MergeTree::Scratch scratch_;
};

}  // namespace da::tokenizer
