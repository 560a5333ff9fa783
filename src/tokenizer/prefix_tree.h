#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace da::tokenizer {

// Prefix tree over bytes as a double array: the child of a node for a byte is at the node's base XOR the byte, if that
// slot names the node as its parent. A step is one memory access. Immutable.
class PrefixTree {
 public:
  static constexpr uint32_t kRoot = 0, kNone = 0xFFFFFFFF;

  PrefixTree() : PrefixTree(std::vector<std::pair<std::string_view, int32_t>>()) {}
  // Texts with values of at least 0. Of a text given twice the later value counts; empty texts are left out.
  explicit PrefixTree(std::vector<std::pair<std::string_view, int32_t>> texts);

  // kNone if no text goes on that way.
  uint32_t step(uint32_t node, char c) const {
    const uint32_t child = slots_[node].base ^ static_cast<unsigned char>(c);
    return slots_[child].parent == node ? child : kNone;
  }
  bool can_start(char c) const { return step(kRoot, c) != kNone; }
  // Of the text that ends at this node, -1 if none does.
  int32_t value(uint32_t node) const { return slots_[node].value; }
  // Of the longest text that `text` begins with, -1 if there is none.
  int32_t longest(std::string_view text) const {
    int32_t best = -1;
    uint32_t node = kRoot;
    for (const char c : text) {
      node = step(node, c);
      if (node == kNone) break;
      if (slots_[node].value >= 0) best = slots_[node].value;
    }
    return best;
  }

 private:
  struct Slot {
    uint32_t base = 0, parent = kNone;
    int32_t value = -1;
  };
  std::vector<Slot> slots_;  // in blocks of 256; all children of a node are in one block
};

}  // namespace da::tokenizer
