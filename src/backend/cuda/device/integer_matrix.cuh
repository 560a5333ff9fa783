#pragma once

#include "backend/cuda/device/formats.cuh"
#include "backend/cuda/device/warp.cuh"
#include "backend/cuda/launcher.h"

// Products of many rows with a matrix of an integer format, on the tensor cores' 8-bit integers. A block of threads
// takes kTileOutputs outputs for kTileRows rows; each of its warps 16 of the outputs. Stages of kStageBlocks blocks of
// 32 columns: while one is computed, the next is on its way to shared memory. Codes stay packed there and are unpacked
// into registers, each by the one warp that needs it. Integer sums are exact; each sub-block's is scaled and added in
// float32.
namespace da::backend::cuda {

inline constexpr int kTileOutputs = 64, kStageBlocks = 4, kMatrixThreads = 128;

template <class F, int kTileRows>
struct MatrixStage {
  // Rows are padded so that the 8 rows a warp reads at once lie in different banks.
  static constexpr int kLowStride = kStageBlocks * F::kLowBytes + 16;
  static constexpr int kHighStride = F::kHighBytes == 0 ? 16 : kStageBlocks * F::kHighBytes + 16;
  static constexpr int kInputStride = kStageBlocks * 32 + 16;
  static constexpr int kScales = kStageBlocks * F::kSubs;
  alignas(16) uint8_t low[kTileOutputs][kLowStride];
  alignas(16) uint8_t high[F::kHighBytes == 0 ? 1 : kTileOutputs][kHighStride];
  alignas(16) int8_t input[kTileRows][kInputStride];
  QuantMeta meta[kStageBlocks][kTileRows];
  float scale[kScales][kTileOutputs];
  float min[F::kMin ? kScales : 1][kTileOutputs];
};

// Copies beyond the matrix's edges bring zeros: a zero input counts nothing, whatever the weight.
template <class F, int kTileRows>
__device__ __forceinline__ void load_stage(const LinearArgs& a, MatrixStage<F, kTileRows>& stage, int64_t first_out,
                                           const RowTile& rows, int64_t first_block) {
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t n_blocks = a.n_in / 32;
  const int64_t blocks_left = n_blocks - first_block;
  const int64_t first_weight = rows.part * a.n_out + first_out;
  constexpr int kLowPieces = kStageBlocks * F::kLowBytes / 16;
  for (int i = thread; i < kTileOutputs * kLowPieces; i += kMatrixThreads) {
    const int out = i / kLowPieces, piece = i % kLowPieces;
    const int64_t valid = first_out + out < a.n_out ? blocks_left * F::kLowBytes - piece * 16 : 0;
    const int64_t block = (first_weight + out) * n_blocks + first_block;
    copy_async16(&stage.low[out][piece * 16], valid > 0 ? a.low + block * F::kLowBytes + piece * 16 : a.low,
                 valid >= 16 ? 16 : (valid > 0 ? static_cast<int>(valid) : 0));
  }
  if constexpr (F::kHighBytes > 0) {
    constexpr int kHighPieces = kStageBlocks * F::kHighBytes / 4;
    for (int i = thread; i < kTileOutputs * kHighPieces; i += kMatrixThreads) {
      const int out = i / kHighPieces, piece = i % kHighPieces;
      const bool valid = first_out + out < a.n_out && blocks_left * F::kHighBytes > piece * 4;
      const int64_t block = (first_weight + out) * n_blocks + first_block;
      copy_async4(&stage.high[out][piece * 4], valid ? a.high + block * F::kHighBytes + piece * 4 : a.high,
                  valid ? 4 : 0);
    }
  }
  constexpr int kInputPieces = kStageBlocks * 2;
  for (int i = thread; i < kTileRows * kInputPieces; i += kMatrixThreads) {
    const int row = i / kInputPieces, piece = i % kInputPieces;
    const bool valid = row < rows.n_rows && blocks_left * 2 > piece;
    const int64_t block = valid ? rows.in_row(row) * n_blocks + first_block : 0;
    copy_async16(&stage.input[row][piece * 16], valid ? a.codes + block * 32 + piece * 16 : a.codes, valid ? 16 : 0);
  }
  for (int i = thread; i < kTileRows * kStageBlocks * 2; i += kMatrixThreads) {
    const int row = i / (kStageBlocks * 2), b = i / 2 % kStageBlocks, half = i % 2;
    const bool valid = row < rows.n_rows && b < blocks_left;
    const auto* from =
        reinterpret_cast<const uint8_t*>(valid ? a.meta + rows.in_row(row) * n_blocks + first_block + b : a.meta);
    copy_async4(reinterpret_cast<uint8_t*>(&stage.meta[b][row]) + half * 4, from + (valid ? half * 4 : 0),
                valid ? 4 : 0);
  }
  copy_async_commit();
  for (int i = thread; i < kTileOutputs * kStageBlocks; i += kMatrixThreads) {
    const int out = i / kStageBlocks, b = i % kStageBlocks;
    float scale[F::kSubs] = {}, min[F::kSubs] = {};
    if (first_out + out < a.n_out && b < blocks_left)
      load_scales<F>(a, (first_weight + out) * n_blocks + first_block + b, scale, min);
    for (int s = 0; s < F::kSubs; ++s) {
      stage.scale[b * F::kSubs + s][out] = scale[s];
      if constexpr (F::kMin) stage.min[b * F::kSubs + s][out] = min[s];
    }
  }
}

// Words t and t + 4 of a block's row in shared memory: what a lane needs of it.
template <class F>
__device__ __forceinline__ void stage_words(const uint8_t* low, const uint8_t* high, int t, uint32_t& first,
                                            uint32_t& second) {
  const auto word = [](const uint8_t* p, int i) { return load4(p + 4 * i); };
  if constexpr (F::kBits == 8) {
    first = word(low, t);
    second = word(low, t + 4);
  } else if constexpr (F::kBits <= 3) {
    first = word(low, 0) >> (2 * t) & 0x03030303U;
    second = word(low, 1) >> (2 * t) & 0x03030303U;
    if constexpr (F::kBits == 3) {
      const uint32_t top = word(high, 0);
      first |= (top >> t & 0x01010101U) << 2;
      second |= (top >> (t + 4) & 0x01010101U) << 2;
    }
  } else {
    const uint32_t both = word(low, t);
    first = both & 0x0F0F0F0FU;
    second = both >> 4 & 0x0F0F0F0FU;
    if constexpr (F::kBits == 5) {
      const uint32_t top = word(high, 0);
      first |= (top >> t & 0x01010101U) << 4;
      second |= (top >> (t + 4) & 0x01010101U) << 4;
    }
    if constexpr (F::kBits == 6) {
      first |= (word(high, 0) >> (2 * t) & 0x03030303U) << 4;
      second |= (word(high, 1) >> (2 * t) & 0x03030303U) << 4;
    }
  }
}

template <class F, int kTileRows>
__device__ __forceinline__ void compute_stage(const MatrixStage<F, kTileRows>& stage, float (&acc)[kTileRows / 8][4]) {
  const int lane_idx = static_cast<int>(threadIdx.x) % kWarp, warp_idx = static_cast<int>(threadIdx.x) / kWarp;
  const int group = lane_idx / 4, t = lane_idx % 4;
  const int out0 = warp_idx * 16 + group, out1 = out0 + 8;
  const int matrix = lane_idx / 8, matrix_row = lane_idx % 8;  // what this lane names in load_matrices
#pragma unroll
  for (int b = 0; b < kStageBlocks; ++b) {
    uint32_t codes[4];  // columns 4t.. of out0 and out1, columns 16 + 4t.. of both
    if constexpr (F::kBits == 8) {
      load_matrices(codes, stage.low[warp_idx * 16 + matrix % 2 * 8 + matrix_row] + b * 32 + matrix / 2 * 16);
    } else {
      stage_words<F>(stage.low[out0] + b * F::kLowBytes, stage.high[F::kHighBytes == 0 ? 0 : out0] + b * F::kHighBytes,
                     t, codes[0], codes[2]);
      stage_words<F>(stage.low[out1] + b * F::kLowBytes, stage.high[F::kHighBytes == 0 ? 0 : out1] + b * F::kHighBytes,
                     t, codes[1], codes[3]);
    }
    uint32_t inputs[4];  // columns 4t.. and 16 + 4t.. of two tiles of rows
#pragma unroll
    for (int tile = 0; tile < kTileRows / 8; ++tile) {
      if (tile % 2 == 0)
        load_matrices(inputs, stage.input[(tile + matrix / 2) * 8 + matrix_row] + b * 32 + matrix % 2 * 16);
      const uint32_t x[2] = {inputs[tile % 2 * 2], inputs[tile % 2 * 2 + 1]};
      const QuantMeta meta[2] = {stage.meta[b][tile * 8 + 2 * t], stage.meta[b][tile * 8 + 2 * t + 1]};
#pragma unroll
      for (int s = 0; s < F::kSubs; ++s) {
        int input_sum[2], dot[4];
        for (int i = 0; i < 2; ++i) input_sum[i] = F::kSubs == 2 ? meta[i].sum[s] : meta[i].sum[0] + meta[i].sum[1];
        for (int j = 0; j < 4; ++j) dot[j] = -F::kZero * input_sum[j % 2];
        if constexpr (F::kSubs == 1) {
          matrix_int8_k32(dot, codes, x);
        } else {
          const uint32_t half_codes[2] = {codes[2 * s], codes[2 * s + 1]}, half_x[1] = {x[s]};
          matrix_int8_k16(dot, half_codes, half_x);
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const int out = j < 2 ? out0 : out1;
          float sum = stage.scale[b * F::kSubs + s][out] * static_cast<float>(dot[j]);
          if constexpr (F::kMin) sum -= stage.min[b * F::kSubs + s][out] * static_cast<float>(input_sum[j % 2]);
          acc[tile][j] += sum * meta[j % 2].scale;
        }
      }
    }
  }
}

// (tiles of outputs, tiles of rows)
template <class F, int kTileRows>
__global__ void __launch_bounds__(kMatrixThreads) integer_matrix_kernel(const LinearArgs a) {
  using Stage = MatrixStage<F, kTileRows>;
  Stage* stages = &shared_as<Stage>();  // two
  const int64_t first_out = static_cast<int64_t>(blockIdx.x) * kTileOutputs;
  const RowTile rows(a, kTileRows);
  if (rows.n_rows == 0) return;  // the whole block: fewer tiles than there could be
  const int64_t n_stages = (a.n_in / 32 + kStageBlocks - 1) / kStageBlocks;
  float acc[kTileRows / 8][4] = {};
  load_stage<F, kTileRows>(a, stages[0], first_out, rows, 0);
  for (int64_t i = 0; i < n_stages; ++i) {
    if (i + 1 < n_stages) {
      load_stage<F, kTileRows>(a, stages[(i + 1) % 2], first_out, rows, (i + 1) * kStageBlocks);
      copy_async_wait<1>();
    } else {
      copy_async_wait<0>();
    }
    __syncthreads();
    compute_stage<F, kTileRows>(stages[i % 2], acc);
    __syncthreads();  // before the stage is loaded anew
  }
  const int lane_idx = static_cast<int>(threadIdx.x) % kWarp, warp_idx = static_cast<int>(threadIdx.x) / kWarp;
  for (int tile = 0; tile < kTileRows / 8; ++tile) {
    for (int j = 0; j < 4; ++j) {
      const int64_t out_idx = first_out + warp_idx * 16 + lane_idx / 4 + 8 * (j / 2);
      const int row = tile * 8 + lane_idx % 4 * 2 + j % 2;
      if (out_idx < a.n_out && row < rows.n_rows) write_product(a, rows.out_row(row), rows.part, out_idx, acc[tile][j]);
    }
  }
}

template <class F>
void integer_matrix(Launcher& launcher, const LinearArgs& args, int32_t n_tiles) {
  const auto launch = [&](auto kernel, int tile_rows, size_t stage_bytes) {
    const dim3 grid(static_cast<unsigned>((args.n_out + kTileOutputs - 1) / kTileOutputs),
                    static_cast<unsigned>(n_tiles > 0 ? n_tiles : (args.n_rows + tile_rows - 1) / tile_rows));
    launcher.launch(kernel, grid, kMatrixThreads, 2 * stage_bytes, args);
  };
  if (n_tiles > 0 || args.n_rows <= 32) {
    launch(integer_matrix_kernel<F, 32>, 32, sizeof(MatrixStage<F, 32>));
  } else {
    launch(integer_matrix_kernel<F, 64>, 64, sizeof(MatrixStage<F, 64>));
  }
}

}  // namespace da::backend::cuda
