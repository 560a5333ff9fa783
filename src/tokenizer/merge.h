#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace da::tokenizer {

inline constexpr uint32_t kNoMerge = std::numeric_limits<uint32_t>::max();

// What two neighbours may become: lower ranks merge first, equal ranks from left to right.
struct PairMerge {
  uint32_t rank = kNoMerge;
  TokenId merged = -1;
};

// A longer run that no rule can cut is merged in pieces of this size, so that memory stays bounded (about 40 bytes a
// character). The reference merges it whole; its tokens differ from ours only around the cuts.
inline constexpr size_t kMaxMergeBytes = size_t{1} << 20;

// Merges the symbols of one word. Kept by the caller from word to word for its memory.
class Merger {
 public:
  void clear() {
    begins_.clear();
    ids_.clear();
  }
  // A symbol from byte `begin` to the next one's; `id` -1: no token as it stands.
  void add(uint32_t begin, TokenId id) {
    begins_.push_back(begin);
    ids_.push_back(id);
  }

  // Merges until no pair has a rank. lookup(left_id, right_id, begin, end) -> PairMerge; emit(id, begin, end) gets what
  // is left, in order.
  template <class Lookup, class Emit>
  void run(uint32_t word_bytes, const Lookup& lookup, const Emit& emit) {
    begins_.push_back(word_bytes);
    if (ids_.size() <= kMaxScanned) {
      run_by_scanning(lookup, emit);
    } else {
      run_by_heap(lookup, emit);
    }
  }

 private:
  static constexpr size_t kMaxScanned = 64;

  // Words as they occur: looking at all pairs for the best one beats any queue.
  template <class Lookup, class Emit>
  void run_by_scanning(const Lookup& lookup, const Emit& emit) {
    uint32_t begins[kMaxScanned + 1], ranks[kMaxScanned + 1];
    TokenId ids[kMaxScanned + 1], merged[kMaxScanned + 1];
    size_t n = ids_.size();
    std::copy(begins_.begin(), begins_.end(), begins);
    std::copy(ids_.begin(), ids_.end(), ids);
    const auto update = [&](size_t i) {
      const PairMerge pair = lookup(ids[i], ids[i + 1], begins[i], begins[i + 2]);
      ranks[i] = pair.rank;
      merged[i] = pair.merged;
    };
    for (size_t i = 0; i + 1 < n; ++i) update(i);
    while (n > 1) {
      uint32_t best_rank = kNoMerge;
      for (size_t i = 0; i + 1 < n; ++i) best_rank = std::min(best_rank, ranks[i]);
      if (best_rank == kNoMerge) break;
      size_t best = 0;
      while (ranks[best] != best_rank) ++best;
      ids[best] = merged[best];
      std::copy(begins + best + 2, begins + n + 1, begins + best + 1);
      std::copy(ids + best + 2, ids + n, ids + best + 1);
      if (best + 2 < n) {
        std::copy(ranks + best + 2, ranks + n - 1, ranks + best + 1);
        std::copy(merged + best + 2, merged + n - 1, merged + best + 1);
      }
      --n;
      if (best > 0) update(best - 1);
      if (best + 1 < n) update(best);
    }
    for (size_t i = 0; i < n; ++i) emit(ids[i], begins[i], begins[i + 1]);
  }

  // Long runs: a heap of (rank, symbol), a linked list of symbols; O(n log n).
  template <class Lookup, class Emit>
  void run_by_heap(const Lookup& lookup, const Emit& emit) {
    const auto n = static_cast<uint32_t>(ids_.size());
    pairs_.assign(n, PairMerge{});
    previous_.resize(n);
    next_.resize(n);
    heap_.clear();
    const auto update = [&](uint32_t i) {
      pairs_[i] = next_[i] < n ? lookup(ids_[i], ids_[next_[i]], begins_[i], begins_[next_[next_[i]]]) : PairMerge{};
    };
    for (uint32_t i = 0; i < n; ++i) {
      previous_[i] = i - 1;
      next_[i] = i + 1;
    }
    next_.push_back(n);  // the end follows itself
    for (uint32_t i = 0; i < n; ++i) {
      update(i);
      if (pairs_[i].rank != kNoMerge) heap_.push_back(key(pairs_[i].rank, i));
    }
    heapify();
    while (!heap_.empty()) {
      const uint64_t top = pop();
      const auto left = static_cast<uint32_t>(top);
      // The pair may have been changed by a merge beside it; then its new rank has its own entry.
      if (pairs_[left].rank != static_cast<uint32_t>(top >> 32)) continue;
      const uint32_t right = next_[left], after = next_[right];
      ids_[left] = pairs_[left].merged;
      pairs_[right].rank = kNoMerge;
      next_[left] = after;
      if (after < n) previous_[after] = left;
      update(left);
      if (pairs_[left].rank != kNoMerge) push(key(pairs_[left].rank, left));
      if (left > 0) {
        const uint32_t before = previous_[left];
        update(before);
        if (pairs_[before].rank != kNoMerge) push(key(pairs_[before].rank, before));
      }
    }
    for (uint32_t i = 0; i < n; i = next_[i]) emit(ids_[i], begins_[i], begins_[next_[i]]);
  }

  static uint64_t key(uint32_t rank, uint32_t symbol) { return uint64_t{rank} << 32 | symbol; }

  // A heap with four children a node: half the levels of a binary one, and the children share a cache line.
  void sift_down(size_t hole, uint64_t value) {
    const size_t n = heap_.size();
    for (;;) {
      const size_t first = hole * 4 + 1;
      if (first >= n) break;
      size_t smallest = first;
      for (size_t child = first + 1; child < std::min(first + 4, n); ++child) {
        if (heap_[child] < heap_[smallest]) smallest = child;
      }
      if (heap_[smallest] >= value) break;
      heap_[hole] = heap_[smallest];
      hole = smallest;
    }
    heap_[hole] = value;
  }
  void heapify() {
    for (size_t i = heap_.size() / 4 + 1; i-- > 0;) {
      if (i < heap_.size()) sift_down(i, heap_[i]);
    }
  }
  void push(uint64_t value) {
    size_t hole = heap_.size();
    heap_.push_back(value);
    while (hole > 0 && heap_[(hole - 1) / 4] > value) {
      heap_[hole] = heap_[(hole - 1) / 4];
      hole = (hole - 1) / 4;
    }
    heap_[hole] = value;
  }
  uint64_t pop() {
    const uint64_t top = heap_.front();
    const uint64_t last = heap_.back();
    heap_.pop_back();
    if (!heap_.empty()) sift_down(0, last);
    return top;
  }

  std::vector<uint32_t> begins_;  // [n + 1] byte offsets; the last is the word's length
  std::vector<TokenId> ids_;      // [n]
  std::vector<uint32_t> previous_, next_;
  std::vector<PairMerge> pairs_;  // [n] of a symbol and its next one
  std::vector<uint64_t> heap_;
};

}  // namespace da::tokenizer
