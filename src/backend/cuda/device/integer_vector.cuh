#pragma once

#include "backend/cuda/device/formats.cuh"
#include "backend/cuda/device/warp.cuh"
#include "backend/cuda/launcher.h"

// Products of a few rows with a matrix of an integer format: every weight is read once, a block of 32 codes by a lane,
// so that a warp reads 512 consecutive bytes of 4-bit codes at a time.
namespace da::backend::cuda {

inline constexpr int kVectorWarps = 4;
inline constexpr int kOutputsPerWarp = 2;

template <class F, int kColumns>
__global__ void __launch_bounds__(kVectorWarps * 32) integer_vector_kernel(const LinearArgs a) {
  const int lane_idx = static_cast<int>(threadIdx.x) % kWarp, warp_idx = static_cast<int>(threadIdx.x) / kWarp;
  const int64_t first_out = (static_cast<int64_t>(blockIdx.x) * kVectorWarps + warp_idx) * kOutputsPerWarp;
  if (first_out >= a.n_out) return;
  const int64_t n_blocks = a.n_in / 32;
  const int64_t part = a.experts != nullptr ? a.experts[blockIdx.y] : 0;
  // With experts (one column) the grid's y is the row; otherwise the columns are the rows.
  const int64_t first_row = a.experts != nullptr ? blockIdx.y : 0;
  const int64_t first_input = a.experts != nullptr ? first_row / a.rows_per_input : 0;
  int64_t row_blocks[kOutputsPerWarp];
  for (int o = 0; o < kOutputsPerWarp; ++o) {
    const int64_t out_idx = first_out + o < a.n_out ? first_out + o : first_out;
    row_blocks[o] = (part * a.n_out + out_idx) * n_blocks;
  }

  float acc[kOutputsPerWarp][kColumns] = {};
  for (int64_t b = lane_idx; b < n_blocks; b += kWarp) {
    BlockCodes<F> codes[kOutputsPerWarp];
    float scale[kOutputsPerWarp][F::kSubs], min[kOutputsPerWarp][F::kSubs];
#pragma unroll
    for (int o = 0; o < kOutputsPerWarp; ++o) {
      codes[o] = load_codes<F>(a, row_blocks[o] + b);
      load_scales<F>(a, row_blocks[o] + b, scale[o], min[o]);
    }
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      // Columns beyond the rows read the first; nothing is written for them.
      const int64_t input_block = (first_input + (first_row + c < a.n_rows ? c : 0)) * n_blocks + b;
      const uint4 x0 = load16(a.codes + input_block * 32), x1 = load16(a.codes + input_block * 32 + 16);
      const uint32_t x[8] = {x0.x, x0.y, x0.z, x0.w, x1.x, x1.y, x1.z, x1.w};
      const QuantMeta meta = a.meta[input_block];
#pragma unroll
      for (int o = 0; o < kOutputsPerWarp; ++o) {
        float sum = 0;
#pragma unroll
        for (int s = 0; s < F::kSubs; ++s) {
          constexpr int kWords = 8 / F::kSubs;
          const int input_sum = F::kSubs == 2 ? meta.sum[s] : meta.sum[0] + meta.sum[1];
          int dot = -F::kZero * input_sum;
#pragma unroll
          for (int w = 0; w < kWords; ++w)
            dot = dot4(static_cast<int>(codes[o].word(s * kWords + w)), static_cast<int>(x[s * kWords + w]), dot);
          sum += scale[o][s] * static_cast<float>(dot);
          if constexpr (F::kMin) sum -= min[o][s] * static_cast<float>(input_sum);
        }
        acc[o][c] += sum * meta.scale;
      }
    }
  }
  for (int o = 0; o < kOutputsPerWarp; ++o) {
    for (int c = 0; c < kColumns; ++c) {
      const float value = warp_sum(acc[o][c]);
      if (lane_idx == 0 && first_out + o < a.n_out && first_row + c < a.n_rows)
        write_product(a, first_row + c, part, first_out + o, value);
    }
  }
}

// The same with float32 activations, for pieces of rows (heads): (outputs, heads, rows).
template <class F>
__global__ void __launch_bounds__(kVectorWarps * 32) integer_head_kernel(const HeadLinearArgs args) {
  const LinearArgs& a = args.linear;
  const int lane_idx = static_cast<int>(threadIdx.x) % kWarp, warp_idx = static_cast<int>(threadIdx.x) / kWarp;
  const int64_t out_idx = static_cast<int64_t>(blockIdx.x) * kVectorWarps + warp_idx;
  if (out_idx >= a.n_out) return;
  const int64_t n_blocks = a.n_in / 32, head = blockIdx.y, row = blockIdx.z;
  const float* input = a.input + row * a.input_stride + head * args.in_step;
  float acc = 0;
  for (int64_t b = lane_idx; b < n_blocks; b += kWarp) {
    const int64_t block = (head * a.n_out + out_idx) * n_blocks + b;
    const BlockCodes<F> codes = load_codes<F>(a, block);
    float scale[F::kSubs], min[F::kSubs];
    load_scales<F>(a, block, scale, min);
#pragma unroll
    for (int w = 0; w < 8; ++w) {
      const uint32_t word = codes.word(w);
      const int s = w * F::kSubs / 8;
      for (int i = 0; i < 4; ++i) {
        const int code =
            F::kBits == 8 ? static_cast<int8_t>(word >> (8 * i)) : static_cast<int>(word >> (8 * i) & 0xFFU);
        acc += (scale[s] * static_cast<float>(code - F::kZero) - min[s]) * input[b * 32 + w * 4 + i];
      }
    }
  }
  acc = warp_sum(acc);
  if (lane_idx == 0) a.out[row * a.out_stride + head * args.out_step + out_idx] = acc;
}

template <class F>
void integer_vector(Launcher& launcher, const LinearArgs& args) {
  constexpr int kOutputs = kVectorWarps * kOutputsPerWarp;
  const dim3 grid(static_cast<unsigned>((args.n_out + kOutputs - 1) / kOutputs),
                  static_cast<unsigned>(args.experts != nullptr ? args.n_rows : 1));
  constexpr unsigned kThreads = kVectorWarps * 32;
  if (args.experts != nullptr || args.n_rows == 1) {
    launcher.launch(integer_vector_kernel<F, 1>, grid, kThreads, 0, args);
  } else if (args.n_rows == 2) {
    launcher.launch(integer_vector_kernel<F, 2>, grid, kThreads, 0, args);
  } else if (args.n_rows <= 4) {
    launcher.launch(integer_vector_kernel<F, 4>, grid, kThreads, 0, args);
  } else {
    launcher.launch(integer_vector_kernel<F, 8>, grid, kThreads, 0, args);
  }
}

template <class F>
void integer_heads(Launcher& launcher, const HeadLinearArgs& args, int32_t n_heads) {
  const dim3 grid(static_cast<unsigned>((args.linear.n_out + kVectorWarps - 1) / kVectorWarps),
                  static_cast<unsigned>(n_heads), static_cast<unsigned>(args.linear.n_rows));
  launcher.launch(integer_head_kernel<F>, grid, kVectorWarps * 32, 0, args);
}

}  // namespace da::backend::cuda
