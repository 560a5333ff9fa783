#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace da::grammar {

// A set of byte strings as a trie: the values of an enum, the keys of an object.
class LiteralSet {
 public:
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNone = UINT32_MAX;

  // `texts` are distinct and not empty; an item's index is its place in `texts`.
  explicit LiteralSet(const std::vector<std::string>& texts);

  // The node one byte further, or kNone.
  uint32_t child(uint32_t node, uint8_t byte) const;
  // Index of the text that ends here, or kNone.
  uint32_t ends(uint32_t node) const { return nodes_[node].ends; }
  uint32_t depth(uint32_t node) const { return nodes_[node].depth; }
  // Indices of the texts below (or at) the node, in the order of the texts' bytes.
  std::span<const uint32_t> below(uint32_t node) const {
    return std::span(items_).subspan(nodes_[node].first_item, nodes_[node].end_item - nodes_[node].first_item);
  }
  // Bytes from the node to the end of the nearest text below it.
  uint32_t shortest(uint32_t node) const { return nodes_[node].shortest; }
  bool is_leaf(uint32_t node) const { return nodes_[node].first_child == nodes_[node].end_child; }
  // The smallest index >= `from` of the texts below (or at) the node, or kNone.
  uint32_t next_index(uint32_t node, uint32_t from) const;
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  struct Node {
    uint32_t first_child = 0, end_child = 0;  // into nodes_, children lie side by side in the order of their bytes
    uint32_t first_item = 0, end_item = 0;    // into items_: the texts below, as places in the sorted order
    uint32_t ends = kNone;
    uint32_t depth = 0, shortest = UINT32_MAX;
    uint8_t byte = 0;
  };
  std::vector<std::string> texts_;
  std::vector<Node> nodes_;
  std::vector<uint32_t> items_;  // indices in the sorted order of the texts
};

}  // namespace da::grammar
