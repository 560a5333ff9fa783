// Rotary positions, and keys and values into their pages.
#include "backend/backend.h"
#include "backend/cuda/device/warp.cuh"
#include "backend/cuda/kernels.h"

namespace da::backend::cuda {
namespace {

constexpr int kThreads = 128;

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

// A block of 32 values as 8-bit codes, a lane each. Values that are no numbers make the block none.
__device__ __forceinline__ void put_q8(uint8_t* codes, uint8_t* scale_at, float value) {
  const int lane_idx = static_cast<int>(threadIdx.x) % kWarp;
  const bool finite = __all_sync(kWholeWarp, isfinite(value) ? 1 : 0) != 0;
  const uint16_t scale = finite ? float_to_half(warp_max(fabsf(value)) / 127.0F) : uint16_t{0x7E00};
  const float inverse = finite && half_to_float(scale) > 0 ? 1.0F / half_to_float(scale) : 0.0F;
  const float code = finite ? fminf(fmaxf(rintf(value * inverse), -127.0F), 127.0F) : 0.0F;
  codes[lane_idx] = static_cast<uint8_t>(static_cast<int8_t>(code));
  if (lane_idx == 0) *reinterpret_cast<uint16_t*>(scale_at) = scale;
}

// As 4-bit codes; the value of the largest magnitude is -8 times the scale.
__device__ __forceinline__ void put_q4(uint8_t* codes, uint8_t* scale_at, float value) {
  const int lane_idx = static_cast<int>(threadIdx.x) % kWarp;
  const bool finite = __all_sync(kWholeWarp, isfinite(value) ? 1 : 0) != 0;
  const float most = warp_max(value), least = -warp_max(-value);
  const uint16_t scale = finite ? float_to_half((most >= -least ? most : least) / -8.0F) : uint16_t{0x7E00};
  const float inverse = finite && half_to_float(scale) != 0 ? 1.0F / half_to_float(scale) : 0.0F;
  const int code = finite ? static_cast<int>(fminf(fmaxf(rintf(value * inverse) + 8.0F, 0.0F), 15.0F)) : 8;
  const int other = __shfl_xor_sync(kWholeWarp, code, 16);
  if (lane_idx < 16) codes[lane_idx] = static_cast<uint8_t>(code | other << 4);
  if (lane_idx == 0) *reinterpret_cast<uint16_t*>(scale_at) = scale;
}

// [heads][dim] of a row into slot `slot` of a page. A warp takes 32 dims of a head at a time.
__device__ void store_heads(const float* from, int n_heads, const KvSide& side, int slot, uint8_t* page) {
  const int lane_idx = static_cast<int>(threadIdx.x) % kWarp, warp_idx = static_cast<int>(threadIdx.x) / kWarp;
  const int n_blocks = (side.dim + 31) / 32;
  const auto type = static_cast<KvType>(side.type);
  for (int i = warp_idx; i < n_heads * n_blocks; i += kThreads / kWarp) {
    const int head = i / n_blocks, block = i % n_blocks, d = block * 32 + lane_idx;
    uint8_t* row = page + (static_cast<int64_t>(head) * kPageTokens + slot) * side.row_bytes;
    const float value = d < side.dim ? from[static_cast<int64_t>(head) * side.dim + d] : 0.0F;
    switch (type) {
      case KvType::kF32:
        if (d < side.dim) reinterpret_cast<float*>(row)[d] = value;
        break;
      case KvType::kF16:
        if (d < side.dim) reinterpret_cast<uint16_t*>(row)[d] = float_to_half(value);
        break;
      case KvType::kBF16:
        if (d < side.dim) reinterpret_cast<uint16_t*>(row)[d] = float_to_bf16(value);
        break;
      case KvType::kQ8_0:
        put_q8(row + block * 32, row + n_blocks * 32 + block * 2, value);
        break;
      case KvType::kQ4_0:
        put_q4(row + block * 16, row + n_blocks * 16 + block * 2, value);
        break;
    }
  }
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
  store_heads(a.keys + row * a.key_row_stride, a.kv.n_kv_heads, a.kv.keys, slot,
              a.kv.keys.rows + page * a.kv.page_bytes);
  store_heads(a.values + row * a.value_row_stride, a.kv.n_kv_heads, a.kv.values, slot,
              a.kv.values.rows + page * a.kv.page_bytes);
}

}  // namespace

void launch_rope_table(Launcher& launcher, const RopeTableArgs& args, int32_t n_rows) {
  launcher.launch(rope_table_kernel, static_cast<unsigned>(n_rows), kThreads, 0, args);
}
void launch_rope_store(Launcher& launcher, const RopeStoreArgs& args, int32_t n_rows) {
  launcher.launch(rope_store_kernel, static_cast<unsigned>(n_rows), kThreads, 0, args);
}

}  // namespace da::backend::cuda
