#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "engine/page_allocator.h"
#include "engine/prefix_cache.h"
#include "model/kv_cache.h"

namespace da::engine {

inline int32_t pages_for(int32_t n_tokens) { return (n_tokens + backend::kPageTokens - 1) / backend::kPageTokens; }

// The pages of a KV pool: given to sequences, shared among those that begin alike, kept for a while after they end.
// Memory is committed page by page as it is needed. Of the counts, those read from other threads are atomic.
class KvPages {
 public:
  // At most `max_pages` exist; of these at most `max_retained` are kept for nobody in particular.
  KvPages(std::unique_ptr<model::KvCache> pool, int32_t max_pages, int32_t max_retained)
      : pool_(std::move(pool)), allocator_(max_pages), max_pages_(max_pages), max_retained_(max_retained) {}

  model::KvCache& pool() { return *pool_; }
  int32_t max_pages() const { return max_pages_; }

  // Makes room for `n_tokens` in a sequence's pages. kResourceExhausted: all are used, or memory is short; `pages` is
  // then as long as it could be made. A page that another namespace wrote is made zeros first: whatever reads beyond
  // its own tokens, by mistake or malice, finds nothing of others.
  Status give(const std::string& name_space, std::vector<int32_t>& pages, int32_t n_tokens);
  // Pages a sequence could still be given.
  int32_t n_available() const { return max_pages_ - n_in_use_; }
  void release(std::vector<int32_t>& pages);

  // Appends pages that hold the tokens after those in `pages`, as far as they are known; [0, tokens) may be covered.
  void share(const std::string& name_space, std::span<const int32_t> tokens, std::vector<int32_t>& pages);
  // The first full pages of `pages` hold `tokens`: others may share them, and they stay when the sequence ends. Where
  // other pages are known to hold the same, `pages` has those from here on, and its own are free.
  void retain(const std::string& name_space, std::span<const int32_t> tokens, std::vector<int32_t>& pages);

  int32_t n_committed() const { return n_committed_; }
  int32_t n_in_use() const { return n_in_use_; }      // by sequences
  int32_t n_retained() const { return n_retained_; }  // by nobody else
  int64_t n_evicted() const { return n_evicted_; }
  // `owned`: every page of every sequence.
  Status check_integrity(std::vector<int32_t> owned) const;

 private:
  void take(int32_t page);
  Status clear_for(const std::string& name_space, int32_t page);
  bool evict_one();
  void update_retained() { n_retained_ = allocator_.n_used() - n_in_use_; }

  std::unique_ptr<model::KvCache> pool_;
  PageAllocator allocator_;
  PrefixCache cache_;
  int32_t max_pages_, max_retained_;
  std::vector<int32_t> users_;                       // sequences that use a page
  std::vector<std::optional<std::string>> writers_;  // of each page: the namespace it was given to last; none: zeros
  std::atomic<int32_t> n_committed_{0}, n_in_use_{0}, n_retained_{0};
  std::atomic<int64_t> n_evicted_{0};
};

}  // namespace da::engine
