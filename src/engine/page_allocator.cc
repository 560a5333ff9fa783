#include "engine/page_allocator.h"

#include <string>

namespace da::engine {

int32_t PageAllocator::allocate() {
  if (!free_.empty()) {
    const int32_t page = free_.back();
    free_.pop_back();
    references_[static_cast<size_t>(page)] = 1;
    return page;
  }
  if (n_touched() == max_pages_) return -1;
  references_.push_back(1);
  return n_touched() - 1;
}

void PageAllocator::release(int32_t page) {
  int32_t& references = references_[static_cast<size_t>(page)];
  DA_CHECK(references > 0);
  if (--references == 0) free_.push_back(page);
}

Status PageAllocator::check_integrity(const std::vector<int32_t>& owned) const {
  std::vector<int32_t> counted(references_.size(), 0);
  for (const int32_t page : owned) {
    if (page < 0 || page >= n_touched())
      return {ErrorCode::kInternal, "pages: page " + std::to_string(page) + " was never handed out"};
    ++counted[static_cast<size_t>(page)];
  }
  std::vector<bool> is_free(references_.size(), false);
  for (const int32_t page : free_) {
    if (is_free[static_cast<size_t>(page)])
      return {ErrorCode::kInternal, "pages: page " + std::to_string(page) + " is free twice"};
    is_free[static_cast<size_t>(page)] = true;
  }
  for (size_t page = 0; page < references_.size(); ++page) {
    if (counted[page] != references_[page] || is_free[page] != (references_[page] == 0)) {
      return {ErrorCode::kInternal,
              "pages: page " + std::to_string(page) + " has " + std::to_string(references_[page]) + " references, " +
                  std::to_string(counted[page]) + " owners, " + (is_free[page] ? "free" : "not free")};
    }
  }
  return Status::ok();
}

}  // namespace da::engine
