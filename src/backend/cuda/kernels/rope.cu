// Rotary positions, and keys and values into their pages.
#include "backend/cuda/device/warp.cuh"
#include "backend/cuda/kernels.h"

namespace da::backend::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kPageTokens = 32;

// Angles in double: positions times frequencies lose digits otherwise. Once a batch, for all layers.
__global__ void __launch_bounds__(kThreads) rope_table_kernel(const RopeTableArgs a) {
  const int row = static_cast<int>(blockIdx.x);
  const float* frequencies = a.frequencies + (a.n_sets > 1 && a.far[row] != 0 ? a.half_dims : 0);
  for (int i = static_cast<int>(threadIdx.x); i < a.half_dims; i += kThreads) {
    double sine, cosine;
    sincos(static_cast<double>(a.position[row]) * static_cast<double>(frequencies[i]), &sine, &cosine);
    float* out = a.cos_sin + (static_cast<int64_t>(row) * a.half_dims + i) * 2;
    out[0] = static_cast<float>(cosine) * a.magnitude;
    out[1] = static_cast<float>(sine) * a.magnitude;
  }
}

__device__ void rotate(const RopeStoreArgs& a, const RotateArgs& heads, int n_heads, int row) {
  const float* cos_sin = a.cos_sin + static_cast<int64_t>(row) * a.half_dims * 2;
  for (int i = static_cast<int>(threadIdx.x); i < n_heads * a.half_dims; i += kThreads) {
    const int head = i / a.half_dims, pair = i % a.half_dims;
    const int first = a.interleaved != 0 ? 2 * pair : pair,
              second = a.interleaved != 0 ? 2 * pair + 1 : pair + a.half_dims;
    const float* in = heads.in + row * heads.in_stride + head * heads.in_step;
    float* out = heads.out + row * heads.out_stride + head * heads.out_step;
    const float cosine = cos_sin[2 * pair], sine = cos_sin[2 * pair + 1];
    const float x = in[first], y = in[second];
    out[first] = x * cosine - y * sine;
    out[second] = x * sine + y * cosine;
  }
}

__device__ __forceinline__ void put(uint8_t* base, int64_t index, bool half, float value) {
  if (half) {
    reinterpret_cast<uint16_t*>(base)[index] = float_to_half(value);
  } else {
    reinterpret_cast<float*>(base)[index] = value;
  }
}

// [heads][dim] of a row into slot `slot` of a page.
__device__ void store_heads(const float* from, int n_heads, int dim, int stride, bool half, int slot, uint8_t* page) {
  for (int i = static_cast<int>(threadIdx.x); i < n_heads * dim; i += kThreads)
    put(page, (static_cast<int64_t>(i / dim) * kPageTokens + slot) * stride + i % dim, half, from[i]);
}

// A block for each row.
__global__ void __launch_bounds__(kThreads) rope_store_kernel(const RopeStoreArgs a) {
  const int row = static_cast<int>(blockIdx.x), position = a.batch.position[row];
  if (a.cos_sin != nullptr) {
    rotate(a, a.query, a.n_heads, row);
    if (a.keys != nullptr) rotate(a, a.key, a.kv.n_kv_heads, row);
  }
  __syncthreads();  // what was rotated is read by other threads
  if (a.temperature != 0.0F) {
    const float factor = 1.0F + a.temperature * logf(1.0F + static_cast<float>(position / a.temperature_tokens));
    float* query = a.query.out + row * a.query.out_stride;
    for (int i = static_cast<int>(threadIdx.x); i < a.query_width; i += kThreads) query[i] *= factor;
  }
  if (a.keys == nullptr) return;
  const int32_t page = a.batch.pages[a.batch.first_page[a.batch.sequence[row]] + position / kPageTokens];
  const int slot = position % kPageTokens;
  const bool half = a.kv.half != 0;
  store_heads(a.keys + row * a.key_row_stride, a.kv.n_kv_heads, a.kv.key_dim, a.kv.key_stride, half, slot,
              a.kv.keys + page * a.kv.page_bytes);
  store_heads(a.values + row * a.value_row_stride, a.kv.n_kv_heads, a.kv.value_dim, a.kv.value_stride, half, slot,
              a.kv.values + page * a.kv.page_bytes);
}

}  // namespace

void launch_rope_table(Launcher& launcher, const RopeTableArgs& args, int32_t n_rows) {
  launcher.launch(rope_table_kernel, static_cast<unsigned>(n_rows), kThreads, 0, args);
}
void launch_rope_store(Launcher& launcher, const RopeStoreArgs& args, int32_t n_rows) {
  launcher.launch(rope_store_kernel, static_cast<unsigned>(n_rows), kThreads, 0, args);
}

}  // namespace da::backend::cuda
