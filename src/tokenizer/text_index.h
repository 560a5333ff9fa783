#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace da::tokenizer {

// 64-bit hash of a short text. Not keyed: it only ever indexes the vocabulary and a bounded cache.
inline uint64_t hash_text(std::string_view text) {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15;
  uint64_t hash = text.size() * kMultiplier;
  const char* at = text.data();
  size_t n_left = text.size();
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * kMultiplier;
    hash ^= hash >> 32;
  };
  for (; n_left >= 8; at += 8, n_left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    mix(word);
  }
  if (n_left >= 4) {
    uint32_t low, high;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + n_left - 4, 4);
    mix(uint64_t{high} << 32 | low);
  } else if (n_left > 0) {
    const auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<unsigned char>(at[i])); };
    mix(byte(0) | byte(n_left / 2) << 8 | byte(n_left - 1) << 16);
  }
  return (hash * kMultiplier) ^ (hash >> 29);
}

// Token ids by text: open addressing, texts copied into one pool. Filled once, then only read.
class TextIndex {
 public:
  void reserve(size_t n_texts) {
    slots_.assign(std::bit_ceil(n_texts * 2 + 2), Slot{});
    pool_.reserve(n_texts * 8);
  }
  // A text added twice keeps the later id.
  void add(std::string_view text, TokenId id) { add(text, id, hash_text(text)); }
  void add(std::string_view text, TokenId id, uint64_t hash) {
    Slot& slot = slots_[find_slot(text, hash)];
    if (slot.id < 0) {
      slot = {static_cast<uint32_t>(pool_.size()), static_cast<uint32_t>(text.size()), tag(hash), id};
      pool_.append(text);
      max_text_bytes_ = std::max(max_text_bytes_, text.size());
    } else {
      slot.id = id;
    }
  }
  // -1 if absent.
  TokenId find(std::string_view text) const {
    return text.size() > max_text_bytes_ ? -1 : slots_[find_slot(text, hash_text(text))].id;
  }
  TokenId find(std::string_view text, uint64_t hash) const { return slots_[find_slot(text, hash)].id; }
  // Calls use(i, text(i), its hash) for every i below n, in order, with each one's slot fetched: a look-up costs a
  // cache miss, and so kAhead of them wait together. text(i) must stay valid while kAhead more are asked for.
  static constexpr size_t kAhead = 16;
  template <class Text, class Use>
  void for_each_fetched(size_t n, const Text& text, const Use& use) const {
    std::string_view texts[kAhead];
    uint64_t hashes[kAhead];
    for (size_t begin = 0; begin < n; begin += kAhead) {
      const size_t count = std::min(kAhead, n - begin);
      for (size_t i = 0; i < count; ++i) {
        texts[i] = text(begin + i);
        hashes[i] = hash_text(texts[i]);
        __builtin_prefetch(&slots_[hashes[i] & (slots_.size() - 1)]);
      }
      for (size_t i = 0; i < count; ++i) use(begin + i, texts[i], hashes[i]);
    }
  }
  // Calls body(std::string_view text, TokenId id) for every text.
  template <class Body>
  void for_each(const Body& body) const {
    for (const Slot& slot : slots_) {
      if (slot.id >= 0) body(std::string_view(pool_).substr(slot.offset, slot.length), slot.id);
    }
  }

 private:
  struct Slot {
    uint32_t offset = 0, length = 0, tag = 0;
    TokenId id = -1;
  };
  static uint32_t tag(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  // The slot that holds the text, or the free one where it would go. The table is at most half full.
  size_t find_slot(std::string_view text, uint64_t hash) const {
    const size_t mask = slots_.size() - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
      const Slot& slot = slots_[i];
      if (slot.id < 0) return i;
      if (slot.tag == tag(hash) && slot.length == text.size() &&
          std::memcmp(pool_.data() + slot.offset, text.data(), text.size()) == 0) {
        return i;
      }
    }
  }

  std::vector<Slot> slots_{2};
  std::string pool_;
  size_t max_text_bytes_ = 0;
};

}  // namespace da::tokenizer
