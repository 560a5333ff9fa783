#include "engine/grammar/literal_set.h"

#include <algorithm>
#include <numeric>

namespace da::grammar {

LiteralSet::LiteralSet(const std::vector<std::string>& texts) : texts_(texts), items_(texts.size()) {
  std::iota(items_.begin(), items_.end(), 0u);
  std::sort(items_.begin(), items_.end(), [&](uint32_t a, uint32_t b) { return texts_[a] < texts_[b]; });
  nodes_.push_back({.first_item = 0, .end_item = static_cast<uint32_t>(items_.size())});
  // Breadth first, so that the children of a node lie side by side. `depth` is the same for a whole generation.
  size_t generation_end = 1;
  size_t depth = 0;
  for (size_t at = 0; at < nodes_.size(); ++at) {
    if (at == generation_end) {
      generation_end = nodes_.size();
      ++depth;
    }
    uint32_t item = nodes_[at].first_item;
    const uint32_t end = nodes_[at].end_item;
    if (item < end && texts_[items_[item]].size() == depth) nodes_[at].ends = items_[item++];
    nodes_[at].first_child = static_cast<uint32_t>(nodes_.size());
    while (item < end) {
      Node node;
      node.byte = static_cast<uint8_t>(texts_[items_[item]][depth]);
      node.first_item = item;
      while (item < end && static_cast<uint8_t>(texts_[items_[item]][depth]) == node.byte) ++item;
      node.end_item = item;
      node.depth = static_cast<uint32_t>(depth) + 1;
      nodes_.push_back(node);
    }
    nodes_[at].end_child = static_cast<uint32_t>(nodes_.size());
  }
  for (size_t at = nodes_.size(); at-- > 0;) {
    Node& node = nodes_[at];
    if (node.ends != kNone) node.shortest = 0;
    for (uint32_t child = node.first_child; child < node.end_child; ++child)
      node.shortest = std::min(node.shortest, nodes_[child].shortest + 1);
  }
}

uint32_t LiteralSet::child(uint32_t node, uint8_t byte) const {
  const auto first = nodes_.begin() + nodes_[node].first_child;
  const auto end = nodes_.begin() + nodes_[node].end_child;
  const auto found = std::lower_bound(first, end, byte, [](const Node& n, uint8_t b) { return n.byte < b; });
  return found == end || found->byte != byte ? kNone : static_cast<uint32_t>(found - nodes_.begin());
}

uint32_t LiteralSet::next_index(uint32_t node, uint32_t from) const {
  uint32_t best = kNone;
  for (uint32_t i = nodes_[node].first_item; i < nodes_[node].end_item; ++i) {
    if (items_[i] >= from) best = std::min(best, items_[i]);
  }
  return best;
}

}  // namespace da::grammar
