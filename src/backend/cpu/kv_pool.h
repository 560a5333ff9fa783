#pragma once

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/memory.h"

namespace da::backend::cpu {

// A page, layer after layer: the keys of all heads, then the values of all heads.
//
// Keys of a head lie transposed, so that the scores of the page's tokens are sums of vectors over tokens:
// [key_dim][kPageTokens]. In blocks, keys are packed as weights are, with tokens for rows: for each 32 dimensions 8
// code vectors [kPageTokens][4 dimensions] (for Q4_0 two to a byte: vector 2i low, 2i + 1 high), and behind all of them
// the float16 scales [key_dim / 32][kPageTokens]. Values are rows [kPageTokens][value_stride]; in blocks
// [kPageTokens][value_stride] codes (Q4_0: as in the file format, dimensions i and i + 16 in a byte), then float16
// scales [kPageTokens][value_stride / 32].
class CpuKvPool : public KvPool {
 public:
  static Result<std::unique_ptr<CpuKvPool>> make(const KvSpec& spec);
  Status grow(int32_t n_pages_wanted) override;
  Status clear(int32_t page) override;

  // Of page 0; page p is p * page_bytes further.
  uint8_t* keys(int32_t layer_idx, int32_t kv_head_idx) const {
    const Layer& layer = layers_[static_cast<size_t>(layer_idx)];
    return memory_.data() + layer.keys_offset_bytes + kv_head_idx * layer.key_head_bytes;
  }
  uint8_t* values(int32_t layer_idx, int32_t kv_head_idx) const {
    const Layer& layer = layers_[static_cast<size_t>(layer_idx)];
    return memory_.data() + layer.values_offset_bytes + kv_head_idx * layer.value_head_bytes;
  }
  // Puts `token`'s key and value of a head in page `page`. NaN and infinities become NaN.
  void store(int32_t layer_idx, int32_t head_idx, int32_t page, int32_t token, const float* key, const float* value,
             const KernelTable& kernels) const;
  const KvLayer& shape(int32_t layer_idx) const { return spec.layers[static_cast<size_t>(layer_idx)]; }
  // value_dim rounded up to 16; in blocks to 32
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
