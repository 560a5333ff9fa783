#pragma once

#include "backend/backend.h"
#include "backend/cpu/memory.h"

namespace da::backend::cpu {

// A page, layer after layer: keys [n_kv_heads][key_dim][kPageTokens], then values
// [n_kv_heads][kPageTokens][value_stride].
class CpuKvPool : public KvPool {
 public:
  static Result<std::unique_ptr<CpuKvPool>> make(const KvSpec& spec);
  Status grow(int32_t n_pages_wanted) override;

  // Of page 0; page p is p * page_bytes further.
  uint8_t* keys(int32_t layer_idx, int32_t kv_head_idx) const {
    return memory_.data() + layer_idx * layer_bytes_ + kv_head_idx * key_head_bytes_;
  }
  uint8_t* values(int32_t layer_idx, int32_t kv_head_idx) const {
    return memory_.data() + layer_idx * layer_bytes_ + spec.n_kv_heads * key_head_bytes_ +
           kv_head_idx * value_head_bytes_;
  }
  int32_t value_stride() const { return value_stride_; }  // value_dim rounded up to 16

 private:
  Memory memory_;
  int32_t value_stride_ = 0;
  int64_t key_head_bytes_ = 0, value_head_bytes_ = 0, layer_bytes_ = 0;
};

}  // namespace da::backend::cpu
