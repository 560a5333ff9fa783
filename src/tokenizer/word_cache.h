#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/text_index.h"
#include "tokenizer/tokenizer.h"

namespace da::tokenizer {

// The tokens of words seen a moment ago, for the length of one encode() call. Text repeats its words; looking one up
// costs a tenth of merging it again. Direct-mapped: a new word takes the place of another.
class WordCache {
 public:
  // Short texts do without: filling the table would cost more than it saves.
  explicit WordCache(size_t text_bytes) : entries_(text_bytes < 4096 ? 0 : text_bytes < 65536 ? 512 : 8192) {}

  // Appends the word's tokens to `out`; false if they are not known.
  bool append(std::string_view word, std::vector<TokenId>& out) {
    if (entries_.empty() || word.size() > kMaxWordBytes) return false;
    const Entry& entry = entries_[hash_text(word) & (entries_.size() - 1)];
    if (entry.n_bytes != word.size() || std::memcmp(entry.bytes, word.data(), word.size()) != 0) return false;
    out.insert(out.end(), entry.ids, entry.ids + entry.n_ids);
    return true;
  }
  void remember(std::string_view word, std::span<const TokenId> ids) {
    if (entries_.empty() || word.empty() || word.size() > kMaxWordBytes || ids.size() > kMaxIds) return;
    Entry& entry = entries_[hash_text(word) & (entries_.size() - 1)];
    entry.n_bytes = static_cast<uint8_t>(word.size());
    entry.n_ids = static_cast<uint8_t>(ids.size());
    std::memcpy(entry.bytes, word.data(), word.size());
    std::memcpy(entry.ids, ids.data(), ids.size_bytes());
  }

 private:
  static constexpr size_t kMaxWordBytes = 34, kMaxIds = 7;
  struct Entry {  // one cache line
    uint8_t n_bytes = 0, n_ids = 0;
    char bytes[kMaxWordBytes];
    TokenId ids[kMaxIds];
  };
  static_assert(sizeof(Entry) == 64);
  std::vector<Entry> entries_;
};

}  // namespace da::tokenizer
