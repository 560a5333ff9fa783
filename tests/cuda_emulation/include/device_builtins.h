#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "cuda_emulation/block.h"

// What the CUDA language gives device code, as far as our kernels use it.
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (::da::cuda_emulation::lane->thread_idx)

inline void __syncthreads() { da::cuda_emulation::sync_threads(); }

namespace da::cuda_emulation {

inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;

inline void require_all_lanes(unsigned mask) {
  if (mask != kAllLanes) device_fault("a warp operation for a part of the warp");
}

template <class T>
struct Shuffle {
  T value;
  int from;
  T result;
};

template <class T>
inline T shuffle(T value, int from_lane) {
  Shuffle<T> mine{value, from_lane & (kWarpLanes - 1), {}};
  collective(CollectiveKind::kShuffle, &mine, [](void* const* data) {
    for (int i = 0; i < kWarpLanes; ++i) {
      auto* shuffle = static_cast<Shuffle<T>*>(data[i]);
      shuffle->result = static_cast<Shuffle<T>*>(data[shuffle->from])->value;
    }
  });
  return mine.result;
}

inline unsigned ballot(bool vote) {
  struct Vote {
    bool vote;
    unsigned result;
  } mine{vote, 0};
  collective(CollectiveKind::kVote, &mine, [](void* const* data) {
    unsigned all = 0;
    for (int i = 0; i < kWarpLanes; ++i) all |= static_cast<unsigned>(static_cast<Vote*>(data[i])->vote) << i;
    for (int i = 0; i < kWarpLanes; ++i) static_cast<Vote*>(data[i])->result = all;
  });
  return mine.result;
}

}  // namespace da::cuda_emulation

inline void __syncwarp(unsigned mask = da::cuda_emulation::kAllLanes) {
  da::cuda_emulation::require_all_lanes(mask);
  da::cuda_emulation::collective(da::cuda_emulation::CollectiveKind::kSync, nullptr, [](void* const*) {});
}
template <class T>
inline T __shfl_sync(unsigned mask, T value, int from_lane) {
  da::cuda_emulation::require_all_lanes(mask);
  return da::cuda_emulation::shuffle(value, from_lane);
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask) {
  da::cuda_emulation::require_all_lanes(mask);
  return da::cuda_emulation::shuffle(value, da::cuda_emulation::lane->lane_idx ^ lane_mask);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, int delta) {
  da::cuda_emulation::require_all_lanes(mask);
  const int own = da::cuda_emulation::lane->lane_idx;
  return da::cuda_emulation::shuffle(value, own + delta < da::cuda_emulation::kWarpLanes ? own + delta : own);
}
inline unsigned __ballot_sync(unsigned mask, int vote) {
  da::cuda_emulation::require_all_lanes(mask);
  return da::cuda_emulation::ballot(vote != 0);
}
inline int __any_sync(unsigned mask, int vote) { return __ballot_sync(mask, vote) != 0 ? 1 : 0; }
inline int __all_sync(unsigned mask, int vote) { return __ballot_sync(mask, vote) == 0xFFFFFFFFU ? 1 : 0; }

// Threads of a grid take turns, never run at once: plain arithmetic is atomic.
template <class T>
inline T atomicAdd(T* address, T value) {
  const T before = *address;
  *address = before + value;
  return before;
}
template <class T>
inline T atomicMax(T* address, T value) {
  const T before = *address;
  if (before < value) *address = value;
  return before;
}
template <class T>
inline T atomicExch(T* address, T value) {
  const T before = *address;
  *address = value;
  return before;
}
inline void __threadfence() {}

// Four products of bytes, added.
inline int __dp4a(int a, int b, int sum) {
  for (int i = 0; i < 4; ++i) {
    sum += static_cast<int>(static_cast<int8_t>(a >> (8 * i))) * static_cast<int>(static_cast<int8_t>(b >> (8 * i)));
  }
  return sum;
}

inline float __expf(float x) { return std::exp(x); }
inline float rsqrtf(float x) { return 1.0F / std::sqrt(x); }
inline int __float2int_rn(float x) { return static_cast<int>(std::lrintf(x)); }
inline unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
inline float __uint_as_float(unsigned x) { return __builtin_bit_cast(float, x); }
inline int __float_as_int(float x) { return __builtin_bit_cast(int, x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline void sincos(double x, double* sine, double* cosine) {
  *sine = std::sin(x);
  *cosine = std::cos(x);
}
using std::fabs;
using std::isfinite;
using std::isinf;
using std::isnan;
template <class T>
inline T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
inline T max(T a, T b) {
  return a < b ? b : a;
}
