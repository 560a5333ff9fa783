#include "tokenizer/prefix_tree.h"

#include <algorithm>
#include <array>
#include <bit>

namespace da::tokenizer {
namespace {

constexpr uint32_t kBlockSlots = 256;
// Blocks that still take children. One that did not fit that often is left as it is.
constexpr size_t kMaxOpenBlocks = 16;
constexpr int kMaxRefusals = 64;

// Finds places for the children of one node after another.
class Places {
 public:
  uint32_t n_slots() const { return static_cast<uint32_t>(blocks_.size()) * kBlockSlots; }
  void take(uint32_t slot) {
    Block& block = blocks_[slot / kBlockSlots];
    block.used[slot % kBlockSlots / 64] |= uint64_t{1} << slot % 64;
    --block.n_free;
  }
  void add_block() {
    open_.push_back(static_cast<uint32_t>(blocks_.size()));
    blocks_.emplace_back();
  }
  // A base with a free slot for every label; the slots are taken.
  uint32_t place(const std::vector<uint8_t>& labels) {
    for (size_t i = 0; i < open_.size();) {
      Block& block = blocks_[open_[i]];
      if (block.n_free >= labels.size()) {
        for (uint32_t slot = next_free(block, 0); slot < kBlockSlots; slot = next_free(block, slot + 1)) {
          const uint32_t base = slot ^ labels[0];
          if (!std::all_of(labels.begin(), labels.end(), [&](uint8_t label) { return is_free(block, base ^ label); }))
            continue;
          const uint32_t first = open_[i] * kBlockSlots;
          for (const uint8_t label : labels) take(first + (base ^ label));
          return first + base;
        }
      }
      if (block.n_free == 0 || ++block.n_refusals > kMaxRefusals) {
        open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
    if (open_.size() >= kMaxOpenBlocks) open_.erase(open_.begin());
    add_block();
    return place(labels);
  }

 private:
  struct Block {
    std::array<uint64_t, kBlockSlots / 64> used{};
    uint32_t n_free = kBlockSlots;
    int n_refusals = 0;
  };
  static bool is_free(const Block& block, uint32_t slot) { return (block.used[slot / 64] >> slot % 64 & 1) == 0; }
  static uint32_t next_free(const Block& block, uint32_t slot) {
    while (slot < kBlockSlots) {
      const uint64_t free = ~block.used[slot / 64] >> slot % 64;
      if (free != 0) return slot + static_cast<uint32_t>(std::countr_zero(free));
      slot = (slot / 64 + 1) * 64;
    }
    return kBlockSlots;
  }
  std::vector<Block> blocks_;
  std::vector<uint32_t> open_;
};

}  // namespace

PrefixTree::PrefixTree(std::vector<std::pair<std::string_view, int32_t>> texts) {
  std::stable_sort(texts.begin(), texts.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  struct Range {  // the texts below a node: all with the same first `depth` bytes
    uint32_t node;
    size_t begin, end, depth;
  };
  Places places;
  places.add_block();
  places.take(kRoot);
  slots_.resize(places.n_slots());
  std::vector<Range> open{{kRoot, 0, texts.size(), 0}};
  std::vector<uint8_t> labels;
  std::vector<size_t> begins;
  while (!open.empty()) {
    Range range = open.back();
    open.pop_back();
    for (; range.begin < range.end && texts[range.begin].first.size() == range.depth; ++range.begin) {
      if (range.depth > 0) slots_[range.node].value = texts[range.begin].second;
    }
    if (range.begin == range.end) continue;
    labels.clear();
    begins.clear();
    for (size_t i = range.begin; i < range.end; ++i) {
      const auto label = static_cast<uint8_t>(texts[i].first[range.depth]);
      if (!labels.empty() && labels.back() == label) continue;
      labels.push_back(label);
      begins.push_back(i);
    }
    begins.push_back(range.end);
    const uint32_t base = places.place(labels);
    if (slots_.size() < places.n_slots()) slots_.resize(places.n_slots());
    slots_[range.node].base = base;
    for (size_t k = 0; k < labels.size(); ++k) {
      const uint32_t child = base ^ labels[k];
      slots_[child].parent = range.node;
      open.push_back({child, begins[k], begins[k + 1], range.depth + 1});
    }
  }
}

}  // namespace da::tokenizer
