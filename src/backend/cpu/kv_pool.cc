#include "backend/cpu/kv_pool.h"

#include <string>

namespace da::backend::cpu {

Result<std::unique_ptr<CpuKvPool>> CpuKvPool::make(const KvSpec& spec) {
  auto pool = std::make_unique<CpuKvPool>();
  pool->spec = spec;
  const int64_t value_bytes = spec.type == KvType::kF16 ? 2 : 4;
  pool->value_stride_ = (spec.value_dim + 15) / 16 * 16;
  pool->key_head_bytes_ = int64_t{spec.key_dim} * kPageTokens * value_bytes;
  pool->value_head_bytes_ = int64_t{pool->value_stride_} * kPageTokens * value_bytes;
  pool->layer_bytes_ = spec.n_kv_heads * (pool->key_head_bytes_ + pool->value_head_bytes_);
  pool->page_bytes = static_cast<uint64_t>(spec.n_layers * pool->layer_bytes_);
  DA_ASSIGN_OR_RETURN(pool->memory_,
                      Memory::reserve(pool->page_bytes * static_cast<uint64_t>(spec.max_pages), "KV pool"));
  return pool;
}

Status CpuKvPool::grow(int32_t n_pages_wanted) {
  if (n_pages_wanted <= n_pages) return Status::ok();
  if (n_pages_wanted > spec.max_pages) {
    return {ErrorCode::kResourceExhausted, "KV pool: " + std::to_string(n_pages_wanted) + " pages wanted, at most " +
                                               std::to_string(spec.max_pages) + " reserved"};
  }
  DA_RETURN_IF_ERROR(memory_.commit(page_bytes * static_cast<uint64_t>(n_pages),
                                    page_bytes * static_cast<uint64_t>(n_pages_wanted), "KV pages"));
  n_pages = n_pages_wanted;
  return Status::ok();
}

}  // namespace da::backend::cpu
