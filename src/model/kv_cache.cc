#include "model/kv_cache.h"

namespace da::model {

KvCache::KvCache(std::vector<std::unique_ptr<backend::KvPool>> pools, uint64_t host_page_bytes)
    : pools_(std::move(pools)), host_page_bytes_(host_page_bytes) {
  for (const auto& pool : pools_) page_bytes_ += pool->page_bytes;
}

Status KvCache::grow(int32_t n_pages_wanted) {
  for (const auto& pool : pools_) DA_RETURN_IF_ERROR(pool->grow(n_pages_wanted));
  n_pages_ = n_pages_wanted > n_pages_ ? n_pages_wanted : n_pages_;
  return Status::ok();
}

Status KvCache::clear(int32_t page) {
  for (const auto& pool : pools_) DA_RETURN_IF_ERROR(pool->clear(page));
  return Status::ok();
}

}  // namespace da::model
