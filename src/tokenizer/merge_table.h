#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "tokenizer/merge.h"
#include "tokenizer/tokenizer.h"

namespace da::tokenizer {

// What pairs of tokens merge into. Filled once, then only read.
class MergeTable {
 public:
  void reserve(size_t n_pairs) {
    slots_.assign(std::bit_ceil(n_pairs * 3 / 2 + 2), Slot{});
    filter_.assign(std::bit_ceil(n_pairs * 8 + 64) / 64, 0);
  }
  // No more pairs than were reserved. Of a pair added twice the first counts.
  void add(TokenId left, TokenId right, PairMerge merge) {
    const uint64_t pair = key(left, right), hash = hash_of(pair);
    size_t i = hash & (slots_.size() - 1);
    while (slots_[i].pair != kFree && slots_[i].pair != pair) i = (i + 1) & (slots_.size() - 1);
    if (slots_[i].pair == kFree) slots_[i] = {pair, merge};
    filter_[(hash >> 6) & (filter_.size() - 1)] |= bits_of(hash);
  }
  // Fetches what find() and add() will read.
  void prefetch(TokenId left, TokenId right) const {
    __builtin_prefetch(&slots_[hash_of(key(left, right)) & (slots_.size() - 1)]);
  }
  PairMerge find(TokenId left, TokenId right) const {
    const uint64_t pair = key(left, right), hash = hash_of(pair);
    if ((filter_[(hash >> 6) & (filter_.size() - 1)] & bits_of(hash)) != bits_of(hash)) return {};
    for (size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].pair == pair) return slots_[i].result;
      if (slots_[i].pair == kFree) return {};
    }
  }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  struct Slot {
    uint64_t pair = kFree;
    PairMerge result;
  };
  static uint64_t key(TokenId left, TokenId right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  static uint64_t hash_of(uint64_t pair) { return pair * 0x9E3779B97F4A7C15 >> 24; }
  // Two bits in one word of the filter: one in fifty absent pairs gets through, and each costs a cache miss.
  static uint64_t bits_of(uint64_t hash) { return uint64_t{1} << (hash & 63) | uint64_t{1} << (hash >> 34); }

  std::vector<Slot> slots_{2};  // open addressing, at most two thirds full
  // Bloom filter: most look-ups are for pairs that do not merge, and it fits a near cache.
  std::vector<uint64_t> filter_{0};
};

}  // namespace da::tokenizer
