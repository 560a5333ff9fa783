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
  const float* near = static_cast<const CpuVector*>(spec.frequencies)->data();
  const float* far = spec.frequencies->size > half ? near + half : near;
  table.cos_sin.resize(row_position_.size() * static_cast<size_t>(spec.n_dims));
  for_rows(static_cast<int32_t>(row_position_.size()), spec.n_dims * 16, [&](int32_t row) {
    float* out = table.cos_sin.data() + row * spec.n_dims;
    const auto sequence_idx = static_cast<size_t>(row_sequence_[static_cast<size_t>(row)]);
    const float* frequencies = batch_.sequences[sequence_idx].is_far ? far : near;
    for (int64_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(row_position_[static_cast<size_t>(row)]) * static_cast<double>(frequencies[i]);
      out[2 * i] = static_cast<float>(std::cos(angle)) * spec.magnitude;
      out[2 * i + 1] = static_cast<float>(std::sin(angle)) * spec.magnitude;
    }
  });
  return table;
}

void CpuBackend::store_head(const CpuKvPool& pool, int32_t kv_layer_idx, int32_t head_idx, int32_t row,
                            const float* key, const float* value) {
  const int32_t position = row_position_[static_cast<size_t>(row)];
  const SequenceRows& sequence = batch_.sequences[static_cast<size_t>(row_sequence_[static_cast<size_t>(row)])];
  const int32_t page = sequence.pages[static_cast<size_t>(position / kPageTokens)];
  DA_CHECK(page >= 0 && page < pool.n_pages);
  pool.store(kv_layer_idx, head_idx, page, position % kPageTokens, key, value, kernels_);
}

void CpuBackend::rope_store(const RopeSpec& spec, int32_t kv_layer_idx, Activation& query, Activation* key,
                            Activation* value, KvPool& kv) {
  const auto& pool = static_cast<const CpuKvPool&>(kv);
  const auto& [n_kv_heads, key_dim, value_dim] = pool.shape(kv_layer_idx);
  DA_CHECK((key == nullptr) == (value == nullptr) && query.width % key_dim == 0);
  if (key != nullptr)
    DA_CHECK(key->width == int64_t{n_kv_heads} * key_dim && value->width == int64_t{n_kv_heads} * value_dim);
  const RopeTable* table = spec.kind == RopeKind::kNone ? nullptr : &rope_table(spec);

  const auto norm_and_rotate = [&](int32_t row, const NormSpec& norm, int64_t width, float* heads) {
    norm_row(norm, heads, width, heads);
    if (table == nullptr) return;
    const float* cos_sin = table->cos_sin.data() + int64_t{row} * spec.n_dims;
    for (int64_t begin = 0; begin < width; begin += key_dim) rotate(spec.kind, cos_sin, spec.n_dims, heads + begin);
  };
  for_rows(query.n_rows, 4 * query.width, [&](int32_t row) {
    float* queries = static_cast<CpuActivation&>(query).row(row);
    norm_and_rotate(row, spec.query_norm, query.width, queries);
    if (spec.temperature != 0) {
      const auto turns = static_cast<float>(row_position_[static_cast<size_t>(row)] / spec.temperature_tokens);
      const float factor = 1.0F + spec.temperature * std::log(1.0F + turns);
      for (int64_t i = 0; i < query.width; ++i) queries[i] *= factor;
    }
    if (key == nullptr) return;
    float* keys = static_cast<CpuActivation&>(*key).row(row);
    float* values = static_cast<CpuActivation&>(*value).row(row);
    norm_and_rotate(row, spec.key_norm, key->width, keys);
    norm_row(spec.value_norm, values, value->width, values);
    for (int32_t h = 0; h < n_kv_heads; ++h)
      store_head(pool, kv_layer_idx, h, row, keys + h * key_dim, values + h * value_dim);
  });
}

void CpuBackend::latent_store(const LatentSpec& spec, int32_t kv_layer_idx, const Activation& query, Activation& latent,
                              KvPool& kv, Activation& absorbed) {
  const auto& pool = static_cast<const CpuKvPool&>(kv);
  const int32_t n_dims = spec.rope.n_dims, query_dim = spec.plain_dim + n_dims, key_dim = spec.latent_dim + n_dims;
  DA_CHECK(pool.shape(kv_layer_idx) == (KvLayer{1, key_dim, spec.latent_dim}) && latent.width == key_dim);
  DA_CHECK(query.width == int64_t{spec.n_heads} * query_dim && absorbed.width == int64_t{spec.n_heads} * key_dim);
  const RopeTable& table = rope_table(spec.rope);
  for_rows(query.n_rows, 4 * query.width, [&](int32_t row) {
    const float* cos_sin = table.cos_sin.data() + int64_t{row} * n_dims;
    for (int64_t head = 0; head < spec.n_heads; ++head) {
      const float* from = static_cast<const CpuActivation&>(query).row(row) + head * query_dim + spec.plain_dim;
      float* to = static_cast<CpuActivation&>(absorbed).row(row) + head * key_dim + spec.latent_dim;
      std::memcpy(to, from, static_cast<size_t>(n_dims) * sizeof(float));
      rotate(spec.rope.kind, cos_sin, n_dims, to);
    }
    float* key = static_cast<CpuActivation&>(latent).row(row);
    norm_row(spec.latent_norm, key, spec.latent_dim, key);
    rotate(spec.rope.kind, cos_sin, n_dims, key + spec.latent_dim);
    store_head(pool, kv_layer_idx, 0, row, key, key);
  });
}

}  // namespace da::backend::cpu
