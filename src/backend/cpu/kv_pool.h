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
    const Layer& layer = layers_[static_cast<size_t>(layer_idx)];
    return memory_.data() + layer.keys_offset_bytes + kv_head_idx * layer.key_head_bytes;
  }
  uint8_t* values(int32_t layer_idx, int32_t kv_head_idx) const {
    const Layer& layer = layers_[static_cast<size_t>(layer_idx)];
    return memory_.data() + layer.values_offset_bytes + kv_head_idx * layer.value_head_bytes;
  }
  const KvLayer& shape(int32_t layer_idx) const { return spec.layers[static_cast<size_t>(layer_idx)]; }
  // value_dim rounded up to 16
  int32_t value_stride(int32_t layer_idx) const { return layers_[static_cast<size_t>(layer_idx)].value_stride; }

 private:
  struct Layer {
    int32_t value_stride;
    int64_t key_head_bytes, value_head_bytes, keys_offset_bytes, values_offset_bytes;
  };
  Memory memory_;
  std::vector<Layer> layers_;
};

}  // namespace da::backend::cpu
