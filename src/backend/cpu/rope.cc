#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/cpu_backend_impl.h"

namespace da::backend::cpu {
namespace {

// Rotates the first n_dims values of a head. `cos_sin` [n_dims/2][2]
void rotate(RopeKind kind, const float* cos_sin, int32_t n_dims, float* head) {
  const int32_t half = n_dims / 2;
  const int32_t step = kind == RopeKind::kInterleaved ? 2 : 1;
  const int32_t apart = kind == RopeKind::kInterleaved ? 1 : half;
  for (int32_t i = 0; i < half; ++i) {
    float& a = head[i * step];
    float& b = head[i * step + apart];
    const float cosine = cos_sin[2 * i], sine = cos_sin[2 * i + 1];
    const float rotated = a * cosine - b * sine;
    b = a * sine + b * cosine;
    a = rotated;
  }
}

// Keys lie transposed in their page: value d of token `slot` at [d][slot].
template <class Element>
void store_key(const Element* from, int32_t key_dim, int32_t slot, uint8_t* page) {
  auto* to = reinterpret_cast<Element*>(page) + slot;
  for (int32_t d = 0; d < key_dim; ++d) to[d * kPageTokens] = from[d];
}

}  // namespace

const RopeTable& CpuBackend::rope_table(const RopeSpec& spec) {
  for (size_t i = 0; i < n_rope_tables_; ++i) {
    if (rope_tables_[i].frequencies == spec.frequencies && rope_tables_[i].magnitude == spec.magnitude)
      return rope_tables_[i];
  }
  if (n_rope_tables_ == rope_tables_.size()) rope_tables_.emplace_back();
  RopeTable& table = rope_tables_[n_rope_tables_++];
  table.frequencies = spec.frequencies;
  table.magnitude = spec.magnitude;
  const int64_t half = spec.n_dims / 2;
  const float* frequencies = static_cast<const CpuVector*>(spec.frequencies)->data();
  table.cos_sin.resize(row_position_.size() * static_cast<size_t>(spec.n_dims));
  for_rows(static_cast<int32_t>(row_position_.size()), spec.n_dims * 16, [&](int32_t row) {
    float* out = table.cos_sin.data() + row * spec.n_dims;
    for (int64_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(row_position_[static_cast<size_t>(row)]) * static_cast<double>(frequencies[i]);
      out[2 * i] = static_cast<float>(std::cos(angle)) * spec.magnitude;
      out[2 * i + 1] = static_cast<float>(std::sin(angle)) * spec.magnitude;
    }
  });
  return table;
}

void CpuBackend::rope_store(const RopeSpec& spec, int32_t layer_idx, Activation& query, Activation& key,
                            const Activation& value, KvPool& kv) {
  auto& pool = static_cast<CpuKvPool&>(kv);
  const int32_t key_dim = kv.spec.key_dim, value_dim = kv.spec.value_dim, n_kv_heads = kv.spec.n_kv_heads;
  const auto n_heads = static_cast<int32_t>(query.width / key_dim);
  DA_CHECK(key.width == int64_t{n_kv_heads} * key_dim && value.width == int64_t{n_kv_heads} * value_dim);
  const RopeTable* table = spec.kind == RopeKind::kNone ? nullptr : &rope_table(spec);
  const bool half = kv.spec.type == KvType::kF16;
  constexpr int32_t kHalfBuffer = 1024;
  DA_CHECK(key_dim <= kHalfBuffer);

  const auto norm_and_rotate = [&](int32_t row, const NormSpec& norm, float* head) {
    if (norm.weight != nullptr) norm_row(norm, head, key_dim, head);
    if (table != nullptr) rotate(spec.kind, table->cos_sin.data() + int64_t{row} * spec.n_dims, spec.n_dims, head);
  };
  for_rows(query.n_rows, 4 * query.width, [&](int32_t row) {
    const int32_t position = row_position_[static_cast<size_t>(row)];
    const SequenceRows& sequence = batch_.sequences[static_cast<size_t>(row_sequence_[static_cast<size_t>(row)])];
    const int32_t page = sequence.pages[static_cast<size_t>(position / kPageTokens)], slot = position % kPageTokens;
    DA_CHECK(page >= 0 && page < kv.n_pages);
    const auto page_offset = static_cast<int64_t>(page) * static_cast<int64_t>(kv.page_bytes);

    float* queries = static_cast<CpuActivation&>(query).row(row);
    float* keys = static_cast<CpuActivation&>(key).row(row);
    const float* values = static_cast<const CpuActivation&>(value).row(row);
    for (int32_t h = 0; h < n_heads; ++h) norm_and_rotate(row, spec.query_norm, queries + h * key_dim);
    for (int32_t h = 0; h < n_kv_heads; ++h) {
      float* head = keys + h * key_dim;
      norm_and_rotate(row, spec.key_norm, head);
      uint8_t* key_page = pool.keys(layer_idx, h) + page_offset;
      const float* head_values = values + h * value_dim;
      uint8_t* value_page = pool.values(layer_idx, h) + page_offset;
      if (half) {
        uint16_t buffer[kHalfBuffer];
        kernels_.to_half(head, key_dim, buffer);
        store_key(buffer, key_dim, slot, key_page);
        kernels_.to_half(head_values, value_dim, reinterpret_cast<uint16_t*>(value_page) + slot * pool.value_stride());
      } else {
        store_key(head, key_dim, slot, key_page);
        std::memcpy(value_page + static_cast<int64_t>(slot) * pool.value_stride() * 4, head_values,
                    static_cast<size_t>(value_dim) * 4);
      }
    }
  });
}

}  // namespace da::backend::cpu
