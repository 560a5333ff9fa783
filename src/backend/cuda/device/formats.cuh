#pragma once

#include <deepanalyze_ptx.cuh>

#include "backend/cuda/arguments.h"

// The integer formats as packing.cc lays them out. A word is 4 consecutive codes; a block of 32 has 8 words. The planes
// of a block in memory:
//   8 bits: low = words 0..7, signed
//   4, 5, 6 bits: low word i = the low 4 bits of word i, and of word i + 4 above them
//   2, 3 bits: low word h = the low 2 bits of words 4h .. 4h+3, each 2 bits above the one before
//   3, 5 bits: high = the top bit of word w at bit w of each byte;  6 bits: high word h as the low words of 2 bits
namespace da::backend::cuda {

// kBits: of a code. kZero: zero point. kSub: values that share a scale. kScales: sub-blocks have integer scales of
// their own under a float16 for 256 values, otherwise a float16 for 32. kMin: and minimums likewise.
template <int kBitsT, int kZeroT, int kSubT, bool kScalesT, bool kMinT>
struct Format {
  static constexpr int kBits = kBitsT, kZero = kZeroT, kSub = kSubT;
  static constexpr bool kScales = kScalesT, kMin = kMinT;
  static constexpr int kSubs = 32 / kSub;  // scales in a block of 32
  static constexpr int kLowBytes = kBits == 8 ? 32 : (kBits >= 4 ? 16 : 8);
  static constexpr int kHighBytes = kBits == 3 || kBits == 5 ? 4 : (kBits == 6 ? 8 : 0);
  static constexpr int kScaleBytes = kScales ? kSubs * (kMin ? 2 : 1) : 0;  // of a block of 32
  static constexpr int kDBytes = kMin ? 4 : 2;
  static constexpr int kBlocksPerD = kScales ? 8 : 1;
};

//                     bits, zero, sub, scales, min
using Q4_0 = Format<4, 8, 32, false, false>;
using Q4_1 = Format<4, 0, 32, false, true>;
using Q5_0 = Format<5, 16, 32, false, false>;
using Q5_1 = Format<5, 0, 32, false, true>;
using Q8_0 = Format<8, 0, 32, false, false>;
using Q2_K = Format<2, 0, 16, true, true>;
using Q3_K = Format<3, 4, 16, true, false>;
using Q4_K = Format<4, 0, 32, true, true>;
using Q5_K = Format<5, 0, 32, true, true>;
using Q6_K = Format<6, 32, 16, true, false>;

// Word w of a block whose planes are in registers.
template <class F>
__device__ __forceinline__ uint32_t code_word(const uint32_t* low, const uint32_t* high, int w) {
  if constexpr (F::kBits == 8) {
    return low[w];
  } else if constexpr (F::kBits <= 3) {
    const uint32_t code = low[w / 4] >> (2 * (w % 4)) & 0x03030303U;
    if constexpr (F::kBits == 3) return code | (high[0] >> w & 0x01010101U) << 2;
    return code;
  } else {
    const uint32_t code = low[w % 4] >> (4 * (w / 4)) & 0x0F0F0F0FU;
    if constexpr (F::kBits == 5) return code | (high[0] >> w & 0x01010101U) << 4;
    if constexpr (F::kBits == 6) return code | (high[w / 4] >> (2 * (w % 4)) & 0x03030303U) << 4;
    return code;
  }
}

// The planes of one block of 32 columns.
template <class F>
struct BlockCodes {
  uint32_t low[F::kLowBytes / 4];
  uint32_t high[F::kHighBytes == 0 ? 1 : F::kHighBytes / 4];
  __device__ __forceinline__ uint32_t word(int w) const { return code_word<F>(low, high, w); }
};

// `block`: counted over the whole matrix, row * n_blocks + column block.
template <class F>
__device__ __forceinline__ BlockCodes<F> load_codes(const LinearArgs& a, int64_t block) {
  BlockCodes<F> codes;
  const uint8_t* low = a.low + block * F::kLowBytes;
  if constexpr (F::kLowBytes == 8) {
    const uint2 v = stream8(low);
    codes.low[0] = v.x;
    codes.low[1] = v.y;
  } else {
    for (int i = 0; i < F::kLowBytes / 16; ++i) {
      const uint4 v = stream16(low + 16 * i);
      codes.low[4 * i] = v.x;
      codes.low[4 * i + 1] = v.y;
      codes.low[4 * i + 2] = v.z;
      codes.low[4 * i + 3] = v.w;
    }
  }
  if constexpr (F::kHighBytes == 4) codes.high[0] = stream4(a.high + block * 4);
  if constexpr (F::kHighBytes == 8) {
    const uint2 v = stream8(a.high + block * 8);
    codes.high[0] = v.x;
    codes.high[1] = v.y;
  }
  return codes;
}

// Scale and minimum of sub-block s of a block.
template <class F>
__device__ __forceinline__ void load_scales(const LinearArgs& a, int64_t block, float (&scale)[F::kSubs],
                                            float (&min)[F::kSubs]) {
  const auto* d = reinterpret_cast<const uint16_t*>(a.d + block / F::kBlocksPerD * F::kDBytes);
  const float d_scale = half_to_float(d[0]), d_min = F::kMin ? half_to_float(d[F::kMin ? 1 : 0]) : 0.0F;
  for (int s = 0; s < F::kSubs; ++s) {
    if constexpr (F::kScales) {
      const uint8_t* sub = a.scales + block * F::kScaleBytes + s * (F::kMin ? 2 : 1);
      scale[s] = d_scale * static_cast<float>(static_cast<int8_t>(sub[0]));
      min[s] = F::kMin ? d_min * static_cast<float>(sub[F::kMin ? 1 : 0]) : 0.0F;
    } else {
      scale[s] = d_scale;
      min[s] = d_min;
    }
  }
}

// The rows a block takes in a product of many rows: consecutive ones, or, with experts, some of one expert's.
struct RowTile {
  int64_t first, part;
  int n_rows;
  const int32_t* order;
  int32_t rows_per_input;
  __device__ __forceinline__ RowTile(const LinearArgs& a, int most)
      : first(static_cast<int64_t>(blockIdx.y) * most), part(0), n_rows(0), order(nullptr), rows_per_input(1) {
    if (a.tiles != nullptr) {
      const ExpertTile tile = a.tiles[blockIdx.y];
      first = tile.first;
      part = tile.expert;
      n_rows = tile.n_rows;
      order = a.order;
      rows_per_input = a.rows_per_input;
    } else {
      n_rows = a.n_rows - first < most ? static_cast<int>(a.n_rows - first) : most;
    }
  }
  __device__ __forceinline__ int64_t out_row(int row) const {
    return order != nullptr ? order[first + row] : first + row;
  }
  __device__ __forceinline__ int64_t in_row(int row) const { return out_row(row) / rows_per_input; }
};

__device__ __forceinline__ void write_product(const LinearArgs& a, int64_t row, int64_t part, int64_t out_idx,
                                              float value) {
  if (a.bias != nullptr) value += a.bias[part * a.n_out + out_idx];
  value *= a.scale;
  float* out = a.out + row * a.out_stride + out_idx;
  *out = a.accumulate != 0 ? *out + value : value;
}

}  // namespace da::backend::cuda
