#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/grammar/grammar.h"

namespace da::grammar {

// Byte strings with an item number each, as a trie in preorder: a walk is a loop, and a subtree is skipped by a jump.
class PreorderTrie {
 public:
  struct Node {
    uint32_t subtree_end = 0;               // index of the first node that is not below this one
    uint32_t first_item = 0, end_item = 0;  // into items(): what ends here
    uint16_t depth = 0;                     // bytes from the root, at least 1
    uint8_t byte = 0;
  };
  static constexpr size_t kMaxDepth = UINT16_MAX;

  PreorderTrie() = default;
  // Longer strings than kMaxDepth are left out. Empty strings are root_items().
  explicit PreorderTrie(std::vector<std::pair<std::string_view, uint32_t>> strings);

  std::span<const Node> nodes() const { return nodes_; }
  std::span<const uint32_t> items(const Node& node) const {
    return std::span(items_).subspan(node.first_item, node.end_item - node.first_item);
  }
  // What ends at the node or below it.
  std::span<const uint32_t> items_below(const Node& node) const {
    const size_t end = node.subtree_end < nodes_.size() ? nodes_[node.subtree_end].first_item : items_.size();
    return std::span(items_).subspan(node.first_item, end - node.first_item);
  }
  std::span<const uint32_t> root_items() const { return std::span(items_).first(n_root_items_); }
  size_t max_depth() const { return max_depth_; }

 private:
  std::vector<Node> nodes_;
  std::vector<uint32_t> items_;
  size_t n_root_items_ = 0, max_depth_ = 0;
};

// What does not depend on the place in the grammar is worked out once: which tokens are the inside of a JSON string.
struct TokenTrie::Impl {
  // Up to this many characters a token's number of them is looked up by one mask.
  static constexpr uint32_t kCounts = 64;

  size_t n_tokens = 0;
  size_t n_words = 0;  // of a mask
  PreorderTrie trie;   // items: token ids

  // Tokens that stay inside a string of which they begin at most i characters: masks[i]; those that begin kCounts or
  // more.
  std::vector<std::vector<uint64_t>> inside;
  std::vector<std::pair<uint32_t, uint32_t>> inside_long;  // token, characters
  uint32_t inside_max = 0;

  // Tokens that close the string: by what follows the quote. Items are places in `closing`.
  struct Closing {
    uint32_t token;
    uint32_t characters;  // before the quote
    uint32_t bytes;       // of the whole token
  };
  std::vector<Closing> closing;
  std::vector<int32_t> closing_of;  // [n_tokens] place in `closing`, or -1
  PreorderTrie after_quote;
};

}  // namespace da::grammar
