#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace da::tokenizer {

// Prefix tree over bytes; the edges of all nodes lie in one open-addressing table.
class Trie {
 public:
  static constexpr uint32_t kRoot = 0, kNone = 0xFFFFFFFF;

  // A text added twice keeps the later value.
  void add(std::string_view text, int32_t value) {
    if (text.empty()) return;
    first_bytes_[static_cast<unsigned char>(text[0])] = true;
    uint32_t node = kRoot;
    for (const char c : text) {
      if ((n_edges_ + 1) * 2 > edges_.size()) grow();
      Edge& edge = edges_[find(key(node, c))];
      if (edge.key == kFree) {
        edge = {key(node, c), static_cast<uint32_t>(values_.size())};
        values_.push_back(-1);
        ++n_edges_;
      }
      node = edge.child;
    }
    values_[node] = value;
  }
  bool can_start(char c) const { return first_bytes_[static_cast<unsigned char>(c)]; }
  // kNone if no text goes on that way.
  uint32_t step(uint32_t node, char c) const {
    const Edge& edge = edges_[find(key(node, c))];
    return edge.key == kFree ? kNone : edge.child;
  }
  // Of the text that ends at this node, -1 if none does.
  int32_t value(uint32_t node) const { return values_[node]; }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  struct Edge {
    uint64_t key = kFree;
    uint32_t child = kNone;
  };
  static uint64_t key(uint32_t node, char c) { return uint64_t{node} << 8 | static_cast<unsigned char>(c); }
  size_t find(uint64_t wanted) const {
    const size_t mask = edges_.size() - 1;
    size_t i = (wanted * 0x9E3779B97F4A7C15 >> 20) & mask;
    while (edges_[i].key != kFree && edges_[i].key != wanted) i = (i + 1) & mask;
    return i;
  }
  void grow() {
    std::vector<Edge> old(edges_.size() * 2);
    old.swap(edges_);
    for (const Edge& edge : old) {
      if (edge.key != kFree) edges_[find(edge.key)] = edge;
    }
  }

  std::vector<Edge> edges_{16};
  std::vector<int32_t> values_{-1};  // [n_nodes]
  size_t n_edges_ = 0;
  bool first_bytes_[256] = {};
};

}  // namespace da::tokenizer
