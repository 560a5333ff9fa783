#include "backend/cpu/kv_pool.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "quant/quant.h"

namespace da::backend::cpu {
namespace {

constexpr int32_t kBlock = 32;  // dimensions that share a scale

bool in_blocks(KvType type) { return type == KvType::kQ8_0 || type == KvType::kQ4_0; }
int32_t round_up(int32_t value, int32_t to) { return (value + to - 1) / to * to; }

// Bytes of the codes (or elements) of kPageTokens heads of `dim` dimensions, padded.
int64_t code_bytes(KvType type, int64_t dim) {
  const int64_t values = dim * kPageTokens;
  switch (type) {
    case KvType::kF32:
      return values * 4;
    case KvType::kF16:
    case KvType::kBF16:
      return values * 2;
    case KvType::kQ8_0:
      return values;
    case KvType::kQ4_0:
      return values / 2;
  }
  return 0;
}
int64_t scale_bytes(KvType type, int64_t dim) { return in_blocks(type) ? dim / kBlock * kPageTokens * 2 : 0; }

// A block's float16 scale and its codes: Q8_0 -127 .. 127, Q4_0 0 .. 15 with zero point 8, as ggml rounds them.
struct Block {
  uint16_t scale;
  int8_t codes[kBlock];
};
Block quantize_block(KvType type, const float* values) {
  Block block;
  float largest = 0, poison = 0;  // poison: 0, or NaN if a value is not finite
  for (int i = 0; i < kBlock; ++i) {
    if (std::fabs(values[i]) > std::fabs(largest)) largest = values[i];
    poison += values[i] * 0.0F;
  }
  const bool bytes = type == KvType::kQ8_0;
  const float exact = (bytes ? std::fabs(largest) / 127.0F : largest / -8.0F) + poison;
  block.scale = quant::float_to_half(exact);
  const float scale = quant::half_to_float(block.scale);
  const float inverse = scale == 0 || !std::isfinite(scale) ? 0.0F : 1.0F / scale;
  for (int i = 0; i < kBlock; ++i) {
    const float scaled = poison == 0 ? values[i] * inverse : 0.0F;
    const float code = std::nearbyint(bytes ? scaled : scaled + 8.0F);
    block.codes[i] = static_cast<int8_t>(bytes ? std::clamp(code, -127.0F, 127.0F) : std::clamp(code, 0.0F, 15.0F));
  }
  return block;
}

// Calls use(b, block) for each 32 of the head's values, zeros behind the last.
template <class Use>
void for_blocks(KvType type, const float* values, int32_t dim, const Use& use) {
  for (int32_t b = 0; b * kBlock < dim; ++b) {
    float padded[kBlock] = {};
    const int32_t n = std::min(kBlock, dim - b * kBlock);
    std::memcpy(padded, values + b * kBlock, static_cast<size_t>(n) * sizeof(float));
    use(b, quantize_block(type, padded));
  }
}

void store_key_blocks(KvType type, const float* key, int32_t dim, int32_t token, bool signed_codes, uint8_t* page) {
  auto* scales = reinterpret_cast<uint16_t*>(page + code_bytes(type, round_up(dim, kBlock)));
  for_blocks(type, key, dim, [&](int32_t b, const Block& block) {
    scales[b * kPageTokens + token] = block.scale;
    uint8_t* codes = page + b * code_bytes(type, kBlock) + 4 * token;
    for (int32_t d = 0; d < kBlock; ++d) {
      const auto code = static_cast<uint8_t>(block.codes[d]);
      if (type == KvType::kQ8_0) {
        codes[d / 4 * 4 * kPageTokens + d % 4] = signed_codes ? code : code ^ 0x80;
      } else {
        uint8_t& both = codes[d / 8 * 4 * kPageTokens + d % 4];
        both = d / 4 % 2 == 0 ? code : static_cast<uint8_t>(both | code << 4);
      }
    }
  });
}

void store_value_blocks(KvType type, const float* value, int32_t dim, int32_t token, uint8_t* page) {
  const int32_t stride = round_up(dim, kBlock);
  auto* scales = reinterpret_cast<uint16_t*>(page + code_bytes(type, stride)) + token * (stride / kBlock);
  for_blocks(type, value, dim, [&](int32_t b, const Block& block) {
    scales[b] = block.scale;
    uint8_t* codes = page + (token * stride + b * kBlock) / (type == KvType::kQ8_0 ? 1 : 2);
    if (type == KvType::kQ8_0) {
      std::memcpy(codes, block.codes, kBlock);
    } else {
      for (int32_t i = 0; i < kBlock / 2; ++i)
        codes[i] = static_cast<uint8_t>(block.codes[i] | block.codes[i + kBlock / 2] << 4);
    }
  });
}

template <class Element>
void store_key(const Element* from, int32_t dim, int32_t token, uint8_t* page) {
  auto* to = reinterpret_cast<Element*>(page) + token;
  for (int32_t d = 0; d < dim; ++d) to[d * kPageTokens] = from[d];
}

// The head in 16 bits.
void to_16_bits(KvType type, const float* values, int32_t dim, const KernelTable& kernels, uint16_t* out) {
  if (type == KvType::kF16) {
    kernels.to_half(values, dim, out);
  } else {
    for (int32_t d = 0; d < dim; ++d) out[d] = quant::float_to_bf16(values[d]);
  }
}

}  // namespace

Result<std::unique_ptr<CpuKvPool>> CpuKvPool::make(const KvSpec& spec) {
  auto pool = std::make_unique<CpuKvPool>();
  pool->spec = spec;
  int64_t bytes = 0;
  for (const KvLayer& shape : spec.layers) {
    Layer layer{};
    const int32_t key_stride = in_blocks(spec.type.key) ? round_up(shape.key_dim, kBlock) : shape.key_dim;
    layer.value_stride = round_up(shape.value_dim, in_blocks(spec.type.value) ? kBlock : 16);
    layer.key_head_bytes = code_bytes(spec.type.key, key_stride) + scale_bytes(spec.type.key, key_stride);
    layer.value_head_bytes =
        code_bytes(spec.type.value, layer.value_stride) + scale_bytes(spec.type.value, layer.value_stride);
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

Status CpuKvPool::clear(int32_t page) {
  std::memset(memory_.data() + page_bytes * static_cast<uint64_t>(page), 0, page_bytes);
  return Status::ok();
}

void CpuKvPool::store(int32_t layer_idx, int32_t head_idx, int32_t page, int32_t token, const float* key,
                      const float* value, const KernelTable& kernels) const {
  constexpr int32_t kHalfBuffer = 1024;
  uint16_t buffer[kHalfBuffer];
  const auto [n_kv_heads, key_dim, value_dim] = shape(layer_idx);
  const int64_t page_offset = int64_t{page} * static_cast<int64_t>(page_bytes);
  uint8_t* key_page = keys(layer_idx, head_idx) + page_offset;
  uint8_t* value_page = values(layer_idx, head_idx) + page_offset;
  DA_CHECK(std::max(key_dim, value_dim) <= kHalfBuffer);
  if (in_blocks(spec.type.key)) {
    store_key_blocks(spec.type.key, key, key_dim, token, kernels.signed_q8, key_page);
  } else if (spec.type.key == KvType::kF32) {
    store_key(key, key_dim, token, key_page);
  } else {
    to_16_bits(spec.type.key, key, key_dim, kernels, buffer);
    store_key(buffer, key_dim, token, key_page);
  }
  const int64_t value_offset = int64_t{token} * value_stride(layer_idx);
  if (in_blocks(spec.type.value)) {
    store_value_blocks(spec.type.value, value, value_dim, token, value_page);
  } else if (spec.type.value == KvType::kF32) {
    std::memcpy(value_page + value_offset * 4, value, static_cast<size_t>(value_dim) * 4);
  } else {
    to_16_bits(spec.type.value, value, value_dim, kernels, reinterpret_cast<uint16_t*>(value_page) + value_offset);
  }
}

}  // namespace da::backend::cpu
