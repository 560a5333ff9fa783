// Products with matrices of F32, F16 and BF16. Few rows: float32 arithmetic, every weight read once, 16 bytes a lane.
// Many rows: F16 and BF16 on the tensor cores with the activations rounded to tf32 (11 significant bits, the range of
// float32; the weights are exact in it), F32 in float32 arithmetic.
#include "backend/cuda/device/formats.cuh"
#include "backend/cuda/device/warp.cuh"
#include "backend/cuda/kernels.h"

namespace da::backend::cuda {
namespace {

// `get` reads one value in memory (what the tensor cores' kernel does), `value` the i-th of some in registers.
struct F32 {
  static constexpr int kBytes = 4;
  __device__ static float value(const uint32_t* words, int i) { return __uint_as_float(words[i]); }
};
struct F16 {
  static constexpr int kBytes = 2;
  __device__ static float get(const uint8_t* p) { return half_to_float(*reinterpret_cast<const uint16_t*>(p)); }
  __device__ static float value(const uint32_t* words, int i) {
    return half_to_float(static_cast<uint16_t>(words[i / 2] >> (16 * (i % 2))));
  }
};
struct BF16 {
  static constexpr int kBytes = 2;
  __device__ static float get(const uint8_t* p) {
    return __uint_as_float(static_cast<uint32_t>(*reinterpret_cast<const uint16_t*>(p)) << 16);
  }
  __device__ static float value(const uint32_t* words, int i) {
    return __uint_as_float(i % 2 == 0 ? words[i / 2] << 16 : words[i / 2] & 0xFFFF0000U);
  }
};

constexpr int kVectorWarps = 4, kVectorThreads = kVectorWarps * kWarp;

// The dot products of one output's weights with kColumns inputs, by a warp. Rows are padded to whole pieces with zeros;
// inputs are not. Of the columns only n_columns are there.
template <class T, int kColumns>
__device__ __forceinline__ void warp_dots(const uint8_t* weights, int64_t n_in, const float* input,
                                          int64_t input_stride, int n_columns, float (&acc)[kColumns]) {
  constexpr int kValues = 16 / T::kBytes;
  for (int64_t k = threadIdx.x % kWarp * kValues; k < n_in; k += kWarp * kValues) {
    const uint4 bits = stream16(weights + k * T::kBytes);
    const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const float* x = input + (c < n_columns ? c * input_stride : 0) + k;
      if (k + kValues <= n_in) {
#pragma unroll
        for (int i = 0; i < kValues; ++i) acc[c] += T::value(words, i) * x[i];
      } else {
        for (int i = 0; i < n_in - k; ++i) acc[c] += T::value(words, i) * x[i];
      }
    }
  }
}

template <class T, int kColumns>
__global__ void __launch_bounds__(kVectorThreads) float_vector_kernel(const LinearArgs a) {
  const int64_t out_idx = static_cast<int64_t>(blockIdx.x) * kVectorWarps + threadIdx.x / kWarp;
  if (out_idx >= a.n_out) return;
  const int64_t part = a.experts != nullptr ? a.experts[blockIdx.y] : 0;
  const int64_t first_row = a.experts != nullptr ? blockIdx.y : 0;
  const int64_t first_input = a.experts != nullptr ? first_row / a.rows_per_input : 0;
  float acc[kColumns] = {};
  warp_dots<T, kColumns>(a.low + (part * a.n_out + out_idx) * a.weight_stride * T::kBytes, a.n_in,
                         a.input + first_input * a.input_stride, a.input_stride, static_cast<int>(a.n_rows - first_row),
                         acc);
  for (int c = 0; c < kColumns; ++c) {
    const float value = warp_sum(acc[c]);
    if (threadIdx.x % kWarp == 0 && first_row + c < a.n_rows) write_product(a, first_row + c, part, out_idx, value);
  }
}

// (outputs, heads, rows)
template <class T>
__global__ void __launch_bounds__(kVectorThreads) float_head_kernel(const HeadLinearArgs args) {
  const LinearArgs& a = args.linear;
  const int64_t out_idx = static_cast<int64_t>(blockIdx.x) * kVectorWarps + threadIdx.x / kWarp;
  if (out_idx >= a.n_out) return;
  const int64_t head = blockIdx.y, row = blockIdx.z;
  float acc[1] = {};
  warp_dots<T, 1>(a.low + (head * a.n_out + out_idx) * a.weight_stride * T::kBytes, a.n_in,
                  a.input + row * a.input_stride + head * args.in_step, 0, 1, acc);
  const float value = warp_sum(acc[0]);
  if (threadIdx.x % kWarp == 0) a.out[row * a.out_stride + head * args.out_step + out_idx] = value;
}

// --- many rows
// ---------------------------------------------------------------------------------------------------------
constexpr int kTileOutputs = 64, kTileRows = 64, kStageColumns = 32, kMatrixThreads = 128;

template <class T>
struct Stage {
  // Padded against bank conflicts.
  static constexpr int kWeightStride = kStageColumns * T::kBytes + 16;
  alignas(16) uint8_t weight[kTileOutputs][kWeightStride];
  alignas(16) float input[kTileRows][kStageColumns + 4];
};

// Copies beyond the edges bring zeros. Inputs past n_in (their rows are padded) count nothing, since they are not
// copied.
template <class T>
__device__ __forceinline__ void load_stage(const LinearArgs& a, Stage<T>& stage, int64_t first_out, const RowTile& rows,
                                           int64_t k) {
  constexpr int kPieces = kStageColumns * T::kBytes / 16, kValues = 16 / T::kBytes;
  const int thread = static_cast<int>(threadIdx.x);
  const auto clamp16 = [](int64_t bytes) { return bytes >= 16 ? 16 : (bytes > 0 ? static_cast<int>(bytes) : 0); };
  for (int i = thread; i < kTileOutputs * kPieces; i += kMatrixThreads) {
    const int out = i / kPieces, piece = i % kPieces;
    const int64_t column = k + piece * kValues;
    const int valid = first_out + out < a.n_out ? clamp16((a.n_in - column) * T::kBytes) : 0;
    copy_async16(
        &stage.weight[out][piece * 16],
        valid > 0 ? a.low + ((rows.part * a.n_out + first_out + out) * a.weight_stride + column) * T::kBytes : a.low,
        valid);
  }
  for (int i = thread; i < kTileRows * (kStageColumns / 4); i += kMatrixThreads) {
    const int row = i / (kStageColumns / 4), piece = i % (kStageColumns / 4);
    const int64_t column = k + piece * 4;
    const int valid = row < rows.n_rows ? clamp16((a.n_in - column) * 4) : 0;
    copy_async16(&stage.input[row][piece * 4],
                 valid > 0 ? a.input + rows.in_row(row) * a.input_stride + column : a.input, valid);
  }
  copy_async_commit();
}

// A lane's outputs: 16 of a warp's by 64 rows, as the tensor cores hand them out: [row tile][j] is output group + 8 *
// (j / 2) and row tile * 8 + 2t + j % 2.
template <class T>
__device__ __forceinline__ void compute_tensor(const Stage<T>& stage, float (&acc)[kTileRows / 8][4]) {
  const int lane_idx = static_cast<int>(threadIdx.x) % kWarp, warp_idx = static_cast<int>(threadIdx.x) / kWarp;
  const int group = lane_idx / 4, t = lane_idx % 4;
  const int out0 = warp_idx * 16 + group, out1 = out0 + 8;
#pragma unroll
  for (int k = 0; k < kStageColumns; k += 8) {
    const auto weight = [&](int out, int column) {
      return __float_as_uint(T::get(&stage.weight[out][column * T::kBytes]));
    };
    const uint32_t w[4] = {weight(out0, k + t), weight(out1, k + t), weight(out0, k + t + 4), weight(out1, k + t + 4)};
#pragma unroll
    for (int tile = 0; tile < kTileRows / 8; ++tile) {
      const float* input = stage.input[tile * 8 + group] + k;
      const uint32_t x[2] = {to_tf32(input[t]), to_tf32(input[t + 4])};
      matrix_tf32_k8(acc[tile], w, x);
    }
  }
}

__device__ __forceinline__ void compute_plain(const Stage<F32>& stage, float (&acc)[kTileRows / 8][4]) {
  const int lane_idx = static_cast<int>(threadIdx.x) % kWarp, warp_idx = static_cast<int>(threadIdx.x) / kWarp;
  const int group = lane_idx / 4, t = lane_idx % 4;
  const auto* w0 = reinterpret_cast<const float*>(stage.weight[warp_idx * 16 + group]);
  const auto* w1 = reinterpret_cast<const float*>(stage.weight[warp_idx * 16 + group + 8]);
  for (int k = 0; k < kStageColumns; ++k) {
#pragma unroll
    for (int tile = 0; tile < kTileRows / 8; ++tile) {
      const float x0 = stage.input[tile * 8 + 2 * t][k], x1 = stage.input[tile * 8 + 2 * t + 1][k];
      acc[tile][0] += w0[k] * x0;
      acc[tile][1] += w0[k] * x1;
      acc[tile][2] += w1[k] * x0;
      acc[tile][3] += w1[k] * x1;
    }
  }
}

// (tiles of outputs, tiles of rows)
template <class T>
__global__ void __launch_bounds__(kMatrixThreads) float_matrix_kernel(const LinearArgs a) {
  Stage<T>* stages = &shared_as<Stage<T>>();  // two
  const int64_t first_out = static_cast<int64_t>(blockIdx.x) * kTileOutputs;
  const RowTile rows(a, kTileRows);
  if (rows.n_rows == 0) return;  // the whole block
  const int64_t n_stages = (a.n_in + kStageColumns - 1) / kStageColumns;
  float acc[kTileRows / 8][4] = {};
  load_stage<T>(a, stages[0], first_out, rows, 0);
  for (int64_t i = 0; i < n_stages; ++i) {
    if (i + 1 < n_stages) {
      load_stage<T>(a, stages[(i + 1) % 2], first_out, rows, (i + 1) * kStageColumns);
      copy_async_wait<1>();
    } else {
      copy_async_wait<0>();
    }
    __syncthreads();
    if constexpr (T::kBytes == 4) {
      compute_plain(stages[i % 2], acc);
    } else {
      compute_tensor<T>(stages[i % 2], acc);
    }
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

template <class T>
void vector_of(Launcher& launcher, const LinearArgs& args) {
  const dim3 grid(static_cast<unsigned>((args.n_out + kVectorWarps - 1) / kVectorWarps),
                  static_cast<unsigned>(args.experts != nullptr ? args.n_rows : 1));
  if (args.experts != nullptr || args.n_rows == 1) {
    launcher.launch(float_vector_kernel<T, 1>, grid, kVectorThreads, 0, args);
  } else if (args.n_rows == 2) {
    launcher.launch(float_vector_kernel<T, 2>, grid, kVectorThreads, 0, args);
  } else if (args.n_rows <= 4) {
    launcher.launch(float_vector_kernel<T, 4>, grid, kVectorThreads, 0, args);
  } else {
    launcher.launch(float_vector_kernel<T, 8>, grid, kVectorThreads, 0, args);
  }
}

template <class T>
void matrix_of(Launcher& launcher, const LinearArgs& args, int32_t n_tiles) {
  const dim3 grid(static_cast<unsigned>((args.n_out + kTileOutputs - 1) / kTileOutputs),
                  static_cast<unsigned>(n_tiles > 0 ? n_tiles : (args.n_rows + kTileRows - 1) / kTileRows));
  launcher.launch(float_matrix_kernel<T>, grid, kMatrixThreads, 2 * sizeof(Stage<T>), args);
}

template <class T>
void heads_of(Launcher& launcher, const HeadLinearArgs& args, int32_t n_heads) {
  const dim3 grid(static_cast<unsigned>((args.linear.n_out + kVectorWarps - 1) / kVectorWarps),
                  static_cast<unsigned>(n_heads), static_cast<unsigned>(args.linear.n_rows));
  launcher.launch(float_head_kernel<T>, grid, kVectorThreads, 0, args);
}

}  // namespace

void float_vector(Launcher& launcher, PackedFormat format, const LinearArgs& args) {
  if (format == PackedFormat::kF32) return vector_of<F32>(launcher, args);
  if (format == PackedFormat::kF16) return vector_of<F16>(launcher, args);
  vector_of<BF16>(launcher, args);
}
void float_matrix(Launcher& launcher, PackedFormat format, const LinearArgs& args, int32_t n_tiles) {
  if (format == PackedFormat::kF32) return matrix_of<F32>(launcher, args, n_tiles);
  if (format == PackedFormat::kF16) return matrix_of<F16>(launcher, args, n_tiles);
  matrix_of<BF16>(launcher, args, n_tiles);
}
void float_heads(Launcher& launcher, PackedFormat format, const HeadLinearArgs& args, int32_t n_heads) {
  if (format == PackedFormat::kF32) return heads_of<F32>(launcher, args, n_heads);
  if (format == PackedFormat::kF16) return heads_of<F16>(launcher, args, n_heads);
  heads_of<BF16>(launcher, args, n_heads);
}

}  // namespace da::backend::cuda
