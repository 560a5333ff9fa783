#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/prefix_tree.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace da::tokenizer {

// A stretch of text between special tokens, or such a token with what it swallows.
struct Fragment {
  std::string_view text;
  TokenId token = -1;  // -1: text
};

// Finds the tokens that are taken out of a text before anything else: user-defined ones always, control and unknown
// ones on demand. Longer tokens come first, wherever they stand; among equals the leftmost.
class SpecialTokens {
 public:
  explicit SpecialTokens(const Vocabulary& vocabulary);

  // Calls handler(const Fragment&) in the order of the text; text fragments are never empty.
  template <class Handler>
  void split(std::string_view text, bool parse_special, const Handler& handler) const {
    const PrefixTree& trie = parse_special ? all_ : user_defined_;
    size_t from = 0;
    Cluster cluster;
    for (size_t at = 0; at < text.size();) {
      const size_t end = trie.can_start(text[at]) ? find_cluster(trie, text, at, cluster) : at;
      if (end == at) {
        ++at;
        continue;
      }
      // Text at either end of a cluster is one with the text before or after it.
      for (const Fragment& fragment : cluster.fragments) {
        if (fragment.token < 0) continue;
        const auto begin = static_cast<size_t>(fragment.text.data() - text.data());
        if (begin > from) handler(Fragment{text.substr(from, begin - from)});
        handler(fragment);
        from = begin + fragment.text.size();
      }
      at = end;
    }
    if (from < text.size()) handler(Fragment{text.substr(from)});
  }

 private:
  struct Special {
    std::string text;
    TokenId id;
    bool strip_right;
  };
  // Matches that overlap, chained: who wins is decided among these alone.
  struct Cluster {
    std::vector<Fragment> fragments, next;
    std::vector<int32_t> ranks;  // of the tokens that match anywhere in it
    std::vector<bool> seen;      // [specials_.size()]
  };

  // If a token begins at `at`: the cluster that begins there, resolved into fragments, and its end. Else returns `at`.
  size_t find_cluster(const PrefixTree& trie, std::string_view text, size_t at, Cluster& cluster) const;
  void resolve(std::string_view text, Cluster& cluster) const;

  std::vector<Special> specials_;  // longest first; tries hold indices
  PrefixTree user_defined_, all_;
};

}  // namespace da::tokenizer
