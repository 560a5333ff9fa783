// The k largest values of each row, so that sampling needs no more than these on the host.
#include "backend/cuda/device/warp.cuh"
#include "backend/cuda/kernels.h"

namespace da::backend::cuda {
namespace {

constexpr int kThreads = 256;
static_assert(kMaxTopK <= kThreads);
constexpr int kBins = 256;  // of a digit of 8 bits

struct TopKShared {
  unsigned largest[kThreads];  // of each thread's values
  int bins[kBins];
  int not_finite, n_wanted, n_out;
  int n_left;  // columns from the next of equals on
  unsigned floor, prefix;
};

// Rises with the value; of both zeros alike.
__device__ unsigned key_of(float value) {
  const unsigned bits = __float_as_uint(value + 0.0F);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

// A block for each row. The k-th largest of the threads' largest values is no more than the row's k-th largest, so that
// what is below it is passed over; among the rest the k-th largest is found digit by digit.
__global__ void __launch_bounds__(kThreads) top_k_kernel(const TopKArgs a) {
  TopKShared& shared = shared_as<TopKShared>();
  const int thread = static_cast<int>(threadIdx.x), width = static_cast<int>(a.width);
  const float* in = a.in + blockIdx.x * a.in_stride;
  Candidate* out = a.out + blockIdx.x * static_cast<int64_t>(a.k);
  if (thread == 0) {
    shared.not_finite = 0;
    shared.n_wanted = a.k;
    shared.n_out = 0;
    shared.floor = 0;
    shared.prefix = 0;
  }
  __syncthreads();
  unsigned largest = 0;  // no finite value's key
  bool finite = true;
  for (int i = thread; i < width; i += kThreads) {
    const float value = in[i];
    finite = finite && isfinite(value);
    largest = max(largest, key_of(value));
  }
  shared.largest[thread] = largest;
  if (!finite) atomicAdd(&shared.not_finite, 1);
  __syncthreads();
  int n_better = 0;
  for (int i = 0; i < kThreads; ++i) {
    const unsigned other = shared.largest[i];
    n_better += other > largest || (other == largest && i < thread) ? 1 : 0;
  }
  if (n_better == a.k - 1) shared.floor = largest;
  __syncthreads();
  if (shared.not_finite != 0) {
    if (thread == 0) out[0] = {-1, 0.0F};
    return;
  }
  const unsigned floor = shared.floor;

  for (int shift = 24; shift >= 0; shift -= 8) {
    shared.bins[thread] = 0;
    __syncthreads();
    const unsigned prefix = shared.prefix;
    for (int i = thread; i < width; i += kThreads) {
      const unsigned key = key_of(in[i]);
      const bool same = shift == 24 || key >> (shift + 8) == prefix;
      if (key >= floor && same) atomicAdd(&shared.bins[key >> shift & (kBins - 1)], 1);
    }
    __syncthreads();
    if (thread == 0) {
      int digit = kBins - 1;
      for (; shared.bins[digit] < shared.n_wanted; --digit) shared.n_wanted -= shared.bins[digit];
      shared.prefix = prefix << 8 | static_cast<unsigned>(digit);
    }
    __syncthreads();
  }

  // All above the k-th largest, in any order; of those equal to it the first n_wanted, one by one: they are few.
  const unsigned kth = shared.prefix;
  for (int i = thread; i < width; i += kThreads) {
    if (key_of(in[i]) > kth) out[atomicAdd(&shared.n_out, 1)] = {i, in[i]};
  }
  int column = -1;
  for (int n = shared.n_wanted; n > 0; --n) {
    if (thread == 0) shared.n_left = 0;
    __syncthreads();
    int first = width;
    for (int i = thread; i < width && first == width; i += kThreads) {
      if (i > column && key_of(in[i]) == kth) first = i;
    }
    atomicMax(&shared.n_left, width - first);
    __syncthreads();
    column = width - shared.n_left;
    if (thread == 0) out[a.k - n] = {column, in[column]};
    __syncthreads();
  }
}

}  // namespace

void launch_top_k(Launcher& launcher, const TopKArgs& args, int32_t n_rows) {
  launcher.launch(top_k_kernel, static_cast<unsigned>(n_rows), kThreads, sizeof(TopKShared), args);
}

}  // namespace da::backend::cuda
