#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace da::engine {

// Who owns which page of a KV pool. Pages are counted references, so that sequences with an equal prefix may share.
// Used again before fresh ones are taken: the pool grows no further than it must.
class PageAllocator {
 public:
  explicit PageAllocator(int32_t max_pages) : max_pages_(max_pages) {}

  // A page with one reference, or -1 if all are used.
  int32_t allocate();
  void retain(int32_t page) { ++references_[static_cast<size_t>(page)]; }
  void release(int32_t page);

  int32_t n_used() const { return static_cast<int32_t>(references_.size() - free_.size()); }
  // Pages ever handed out: the pool must hold this many.
  int32_t n_touched() const { return static_cast<int32_t>(references_.size()); }
  // kInternal if `owned` (every reference held, in any order) and the counts disagree, or a page is lost.
  Status check_integrity(const std::vector<int32_t>& owned) const;

 private:
  int32_t max_pages_;
  std::vector<int32_t> references_;  // of each page ever handed out
  std::vector<int32_t> free_;
};

}  // namespace da::engine
