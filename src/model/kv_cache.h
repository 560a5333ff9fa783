#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backend/backend.h"

namespace da::model {

// Keys and values of a model: one pool for each stage, all with the same pages.
class KvCache {
 public:
  // `host_page_bytes`: of a page, in the pools of backends that use the host's memory.
  KvCache(std::vector<std::unique_ptr<backend::KvPool>> pools, uint64_t host_page_bytes);

  // Makes pages [0, n_pages) usable in every stage. kResourceExhausted if memory or the reserved number is short; what
  // was committed until then stays.
  Status grow(int32_t n_pages_wanted);
  // Makes a page zeros in every stage: nothing of who had it is left for who gets it.
  Status clear(int32_t page);
  int32_t n_pages() const { return n_pages_; }
  uint64_t page_bytes() const { return page_bytes_; }  // one page, all layers
  uint64_t host_page_bytes() const { return host_page_bytes_; }  // of that, in the host's memory
  backend::KvPool& pool(size_t stage_idx) { return *pools_[stage_idx]; }

 private:
  std::vector<std::unique_ptr<backend::KvPool>> pools_;
  int32_t n_pages_ = 0;
  uint64_t page_bytes_ = 0, host_page_bytes_ = 0;
};

}  // namespace da::model
