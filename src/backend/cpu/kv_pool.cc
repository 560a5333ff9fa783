#include "backend/cpu/kv_pool.h"

#include <string>

namespace da::backend::cpu {

Result<std::unique_ptr<CpuKvPool>> CpuKvPool::make(const KvSpec& spec) {
  auto pool = std::make_unique<CpuKvPool>();
  pool->spec = spec;
  const int64_t element_bytes = spec.type == KvType::kF16 ? 2 : 4;
  int64_t bytes = 0;
  for (const KvLayer& shape : spec.layers) {
    Layer layer{};
    layer.value_stride = (shape.value_dim + 15) / 16 * 16;
    layer.key_head_bytes = int64_t{shape.key_dim} * kPageTokens * element_bytes;
    layer.value_head_bytes = int64_t{layer.value_stride} * kPageTokens * element_bytes;
    layer.keys_offset_bytes = bytes;
    layer.values_offset_bytes = bytes + shape.n_kv_heads * layer.key_head_bytes;
    bytes = layer.values_offset_bytes + shape.n_kv_heads * layer.value_head_bytes;
    pool->layers_.push_back(layer);
  }
  pool->page_bytes = static_cast<uint64_t>(bytes);
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
