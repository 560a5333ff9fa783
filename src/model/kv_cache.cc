#include "model/kv_cache.h"

namespace da::model {

KvCache::KvCache(std::vector<std::unique_ptr<backend::KvPool>> pools) : pools_(std::move(pools)) {
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
