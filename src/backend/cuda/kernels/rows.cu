// Operations on rows of activations.
#include "backend/cuda/device/warp.cuh"
#include "backend/cuda/kernels.h"

namespace da::backend::cuda {
namespace {

constexpr int kThreads = 256;

struct NormShared {
  float warps[kThreads / kWarp];
};

// A block for each piece of each row: (pieces, rows).
__global__ void __launch_bounds__(kThreads) norm_kernel(const NormArgs a) {
  NormShared& shared = shared_as<NormShared>();
  const int row = static_cast<int>(blockIdx.y), begin = static_cast<int>(blockIdx.x) * a.dim;
  const int n_threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
  const float* in = a.in + row * a.in_stride + begin;
  float mean = 0;
  if (a.layer_norm != 0) {
    float sum = 0;
    for (int i = thread; i < a.dim; i += n_threads) sum += in[i];
    mean = block_sum(sum, shared.warps) / static_cast<float>(a.dim);
  }
  float squares = 0;
  for (int i = thread; i < a.dim; i += n_threads) squares += (in[i] - mean) * (in[i] - mean);
  const float factor = 1.0F / sqrtf(block_sum(squares, shared.warps) / static_cast<float>(a.dim) + a.eps);
  const int64_t weight_begin = blockIdx.x * a.weight_step;
  for (int i = thread; i < a.dim; i += n_threads) {
    float value = (in[i] - mean) * factor;
    if (a.weight != nullptr) value *= a.weight[weight_begin + i];
    if (a.bias != nullptr) value += a.bias[weight_begin + i];
    if (a.accumulate != 0) value += a.out.values[row * a.out.stride + begin + i];
    store_value(a.out, row, begin + i, value);
  }
}

__global__ void __launch_bounds__(kThreads) quantize_kernel(const QuantizeArgs a) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x), row = static_cast<int>(blockIdx.y);
  if (i >= a.activation.width) return;
  const int64_t block = (row * a.activation.width + i) / kWarp;
  quantize_block(a.activation.values[row * a.activation.stride + i], a.activation.codes + block * kWarp,
                 a.activation.meta + block);
}

__device__ __forceinline__ float sigmoid_times(float x, float steepness) { return x / (1.0F + expf(-steepness * x)); }

__device__ __forceinline__ float elementwise(Elementwise kind, float x, float other, float factor) {
  switch (kind) {
    case Elementwise::kSilu:
      return sigmoid_times(x, 1.0F) * other;
    case Elementwise::kGeluTanh:
      return 0.5F * x * (1.0F + tanhf(0.79788456F * (x + 0.044715F * x * x * x))) * other;
    case Elementwise::kSwigluOai: {
      // A comparison with no number is false: it stays.
      const float capped = x > 7.0F ? 7.0F : x;
      const float linear = other > 7.0F ? 7.0F : (other < -7.0F ? -7.0F : other);
      return sigmoid_times(capped, 1.702F) * (linear + 1.0F);
    }
    case Elementwise::kScale:
      return x * factor;
    case Elementwise::kSoftCap:
      return factor * tanhf(x / factor);
  }
  return x;
}

// (blocks of values, rows)
__global__ void __launch_bounds__(kThreads) elementwise_kernel(const ElementwiseArgs a) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x), row = static_cast<int>(blockIdx.y);
  if (i >= a.out.width) return;
  const float other = a.other == nullptr ? 1.0F : a.other[row * a.other_stride + i];
  store_value(a.out, row, i, elementwise(a.kind, a.in[row * a.in_stride + i], other, a.factor));
}

__global__ void __launch_bounds__(kThreads) add_gated_kernel(const AddGatedArgs a) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x), row = static_cast<int>(blockIdx.y);
  if (i >= a.out.width) return;
  const float factor = 1.0F / (1.0F + expf(-a.gate[row * a.gate_stride]));
  store_value(a.out, row, i, a.out.values[row * a.out.stride + i] + factor * a.in[row * a.in_stride + i]);
}

__global__ void __launch_bounds__(kThreads) select_kernel(const SelectArgs a) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x), row = static_cast<int>(blockIdx.y);
  if (i >= a.out.width) return;
  store_value(a.out, row, i, a.in[a.rows[row] * a.in_stride + i]);
}

__global__ void __launch_bounds__(kThreads) combine_kernel(const CombineArgs a) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x), row = static_cast<int>(blockIdx.y);
  if (i >= a.out.width) return;
  float sum = a.accumulate != 0 ? a.out.values[row * a.out.stride + i] : 0.0F;
  for (int used = 0; used < a.n_used; ++used) {
    const int64_t assignment = static_cast<int64_t>(row) * a.n_used + used;
    sum += a.weights[assignment] * a.scale * a.in[assignment * a.in_stride + i];
  }
  store_value(a.out, row, i, sum);
}

struct ArgmaxShared {
  float value[kThreads / kWarp];
  int index[kThreads / kWarp];
  int finite[kThreads / kWarp];
};

// A block for each row.
__global__ void __launch_bounds__(kThreads) argmax_kernel(const ArgmaxArgs a) {
  ArgmaxShared& shared = shared_as<ArgmaxShared>();
  const float* in = a.in + blockIdx.x * a.in_stride;
  float best = -__uint_as_float(0x7F800000U);
  int index = 0x7FFFFFFF, finite = 1;
  for (int i = static_cast<int>(threadIdx.x); i < a.width; i += kThreads) {
    const float value = in[i];
    if (!isfinite(value)) finite = 0;
    if (value > best) {
      best = value;
      index = i;
    }
  }
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const float other = __shfl_xor_sync(kWholeWarp, best, mask);
    const int other_index = __shfl_xor_sync(kWholeWarp, index, mask);
    if (other > best || (other == best && other_index < index)) {
      best = other;
      index = other_index;
    }
  }
  finite = __all_sync(kWholeWarp, finite);
  const int warp_idx = static_cast<int>(threadIdx.x) / kWarp;
  if (threadIdx.x % kWarp == 0) {
    shared.value[warp_idx] = best;
    shared.index[warp_idx] = index;
    shared.finite[warp_idx] = finite;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int i = 1; i < kThreads / kWarp; ++i) {
    finite &= shared.finite[i];
    if (shared.value[i] > best || (shared.value[i] == best && shared.index[i] < index)) {
      best = shared.value[i];
      index = shared.index[i];
    }
  }
  a.out[blockIdx.x] = finite != 0 ? index : -1;
}

dim3 value_grid(int64_t width, int32_t n_rows) {
  return {static_cast<unsigned>((width + kThreads - 1) / kThreads), static_cast<unsigned>(n_rows)};
}

}  // namespace

void launch_norm(Launcher& launcher, const NormArgs& args, int32_t n_pieces, int32_t n_rows) {
  const auto threads = static_cast<unsigned>(args.dim >= kThreads ? kThreads : (args.dim + kWarp - 1) / kWarp * kWarp);
  launcher.launch(norm_kernel, dim3(static_cast<unsigned>(n_pieces), static_cast<unsigned>(n_rows)), threads,
                  sizeof(NormShared), args);
}
void launch_quantize(Launcher& launcher, const QuantizeArgs& args, int32_t n_rows) {
  launcher.launch(quantize_kernel, value_grid(args.activation.width, n_rows), kThreads, 0, args);
}
void launch_elementwise(Launcher& launcher, const ElementwiseArgs& args, int32_t n_rows) {
  launcher.launch(elementwise_kernel, value_grid(args.out.width, n_rows), kThreads, 0, args);
}
void launch_add_gated(Launcher& launcher, const AddGatedArgs& args, int32_t n_rows) {
  launcher.launch(add_gated_kernel, value_grid(args.out.width, n_rows), kThreads, 0, args);
}
void launch_select(Launcher& launcher, const SelectArgs& args, int32_t n_rows) {
  launcher.launch(select_kernel, value_grid(args.out.width, n_rows), kThreads, 0, args);
}
void launch_combine(Launcher& launcher, const CombineArgs& args, int32_t n_rows) {
  launcher.launch(combine_kernel, value_grid(args.out.width, n_rows), kThreads, 0, args);
}
void launch_argmax(Launcher& launcher, const ArgmaxArgs& args, int32_t n_rows) {
  launcher.launch(argmax_kernel, static_cast<unsigned>(n_rows), kThreads, sizeof(ArgmaxShared), args);
}

}  // namespace da::backend::cuda
