#pragma once

#include <deepanalyze_ptx.cuh>

#include "backend/cuda/arguments.h"

// What warps and blocks do together in several kernels.
namespace da::backend::cuda {

inline constexpr unsigned kWholeWarp = 0xFFFFFFFFU;
inline constexpr int kWarp = 32;

__device__ __forceinline__ float warp_sum(float value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += __shfl_xor_sync(kWholeWarp, value, mask);
  return value;
}
__device__ __forceinline__ float warp_max(float value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value = fmaxf(value, __shfl_xor_sync(kWholeWarp, value, mask));
  return value;
}

// Round to nearest, ties to even; no number stays none.
__device__ __forceinline__ uint16_t float_to_bf16(float value) {
  const uint32_t bits = __float_as_uint(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>(bits >> 16 | 0x40U);
  return static_cast<uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

// Sum over the block, the same in every thread. `scratch` [warps] may be used again after the next barrier.
__device__ __forceinline__ float block_sum(float value, float* scratch) {
  const int warp_idx = static_cast<int>(threadIdx.x) / kWarp, n_warps = static_cast<int>(blockDim.x) / kWarp;
  value = warp_sum(value);
  __syncthreads();  // the scratch's last readers are done
  if (threadIdx.x % kWarp == 0) scratch[warp_idx] = value;
  __syncthreads();
  float total = 0;
  for (int i = 0; i < n_warps; ++i) total += scratch[i];
  return total;
}

// Rounds the warp's 32 values, one a lane, to 8 bits. A value that is no number makes the whole block none.
__device__ __forceinline__ void quantize_block(float value, int8_t* codes, QuantMeta* meta) {
  const int lane_idx = static_cast<int>(threadIdx.x) % kWarp;
  const float largest = warp_max(fabsf(value));
  const bool finite = __all_sync(kWholeWarp, isfinite(value) ? 1 : 0) != 0;
  const float scale = finite ? largest / 127.0F : __uint_as_float(0x7FC00000U);
  const float inverse = scale > 1e-30F ? 1.0F / scale : 0.0F;
  const int code = finite ? __float2int_rn(value * inverse) : 0;
  int sum = code;
  for (int mask = 8; mask > 0; mask /= 2) sum += __shfl_xor_sync(kWholeWarp, sum, mask);
  const int other = __shfl_xor_sync(kWholeWarp, sum, 16);
  codes[lane_idx] = static_cast<int8_t>(code);
  if (lane_idx == 0) {
    meta->scale = scale;
    meta->sum[0] = static_cast<int16_t>(sum);
    meta->sum[1] = static_cast<int16_t>(other);
  }
}

// Value `i` of row `row`, and its quantized form if the activation has one. All lanes of a warp hold consecutive
// values; width is then a multiple of 32.
__device__ __forceinline__ void store_value(const ActivationArgs& out, int row, int i, float value) {
  out.values[static_cast<int64_t>(row) * out.stride + i] = value;
  if (out.codes == nullptr) return;
  const int64_t block = (static_cast<int64_t>(row) * out.width + i) / kWarp;
  quantize_block(value, out.codes + block * kWarp, out.meta + block);
}

}  // namespace da::backend::cuda
