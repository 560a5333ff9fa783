// Device code on the emulation: order, barriers, warp operations, tensor-core products, and the faults it must see.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include <deepanalyze_ptx.cuh>

#include "cuda_emulation/emulation.h"

namespace da::cuda_emulation {
namespace {

using namespace da::backend::cuda;  // NOLINT(google-build-using-namespace)

struct Gpu {
  explicit Gpu(uint64_t seed = 1) {
    configure({.devices = {{.memory_bytes = 64 << 20}}, .seed = seed});
    EXPECT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  }
  ~Gpu() { (void)cudaStreamDestroy(stream); }
  template <class... P, class... A>
  cudaError_t run(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, A... arguments) {
    const cudaLaunchConfig_t config{grid, block, shared_bytes, stream, nullptr, 0};
    const cudaError_t error = cudaLaunchKernelEx(&config, kernel, arguments...);
    return error != cudaSuccess ? error : cudaStreamSynchronize(stream);
  }
  cudaStream_t stream = nullptr;
};

struct Sums {
  float of_warp[8];
};

__global__ void block_sum(const float* in, float* out, bool with_barrier) {
  Sums& shared = shared_as<Sums>();
  float sum = in[blockIdx.x * blockDim.x + threadIdx.x];
  for (int mask = 16; mask > 0; mask /= 2) sum += __shfl_xor_sync(0xFFFFFFFFU, sum, mask);
  if (threadIdx.x % 32 == 0) shared.of_warp[threadIdx.x / 32] = sum;
  if (with_barrier) __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0;
    for (unsigned w = 0; w < blockDim.x / 32; ++w) total += shared.of_warp[w];
    out[blockIdx.x] = total;
  }
}

TEST(EmulatedKernels, BlocksSumAndAMissingBarrierShows) {
  int without_barrier_right = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Gpu gpu(seed);
    std::vector<float> in(5 * 256), out(5);
    std::iota(in.begin(), in.end(), 0.0F);
    ASSERT_EQ(gpu.run(block_sum, 5, 256, sizeof(Sums), in.data(), out.data(), true), cudaSuccess);
    for (size_t b = 0; b < 5; ++b) EXPECT_EQ(out[b], 256.0F * (static_cast<float>(b) * 256.0F + 127.5F));
    ASSERT_EQ(gpu.run(block_sum, 5, 256, sizeof(Sums), in.data(), out.data(), false), cudaSuccess);
    for (size_t b = 0; b < 5; ++b)
      without_barrier_right += out[b] == 256.0F * (static_cast<float>(b) * 256.0F + 127.5F) ? 1 : 0;
  }
  EXPECT_LT(without_barrier_right, 20);  // of 40; each is right only if the first warp happens to come last
}

__global__ void ordered_lanes(int* order, int* next) { order[atomicAdd(next, 1)] = static_cast<int>(threadIdx.x); }

TEST(EmulatedKernels, TheSeedSetsTheOrder) {
  std::vector<std::vector<int>> orders;
  for (const uint64_t seed : {1, 1, 2}) {
    Gpu gpu(seed);
    std::vector<int> order(128, -1);
    int next = 0;
    ASSERT_EQ(gpu.run(ordered_lanes, 1, 128, 0, order.data(), &next), cudaSuccess);
    EXPECT_EQ(next, 128);
    orders.push_back(order);
  }
  EXPECT_EQ(orders[0], orders[1]);
  EXPECT_NE(orders[0], orders[2]);
}

__global__ void some_lanes_shuffle(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(0xFFFFFFFFU, 1, 1);
}
__global__ void some_threads_wait(int* out) {
  if (threadIdx.x < 40) __syncthreads();
  *out = 1;
}
__global__ void half_mask(int* out) { *out = __shfl_xor_sync(0xFFFFU, 1, 1); }
__global__ void misaligned(const char* in, uint32_t* out) { *out = load4(in + 1); }
__global__ void too_little_shared(float* out) { *out = shared_as<Sums>().of_warp[0]; }

TEST(EmulatedKernels, FaultsEndTheKernelAndStayWithTheDevice) {
  std::vector<int> out(64);
  alignas(16) const char bytes[16] = {};
  {
    Gpu gpu;
    EXPECT_EQ(gpu.run(some_lanes_shuffle, 1, 32, 0, out.data()), cudaErrorLaunchFailure);
    EXPECT_NE(last_fault(), "");
    EXPECT_EQ(gpu.run(ordered_lanes, 1, 32, 0, out.data(), out.data()), cudaErrorLaunchFailure) << "sticky";
  }
  {
    Gpu gpu;
    EXPECT_EQ(gpu.run(some_threads_wait, 1, 64, 0, out.data()), cudaErrorLaunchFailure);
  }
  {
    Gpu gpu;
    EXPECT_EQ(gpu.run(half_mask, 1, 32, 0, out.data()), cudaErrorLaunchFailure);
  }
  {
    Gpu gpu;
    EXPECT_EQ(gpu.run(misaligned, 1, 32, 0, static_cast<const char*>(bytes), reinterpret_cast<uint32_t*>(out.data())),
              cudaErrorLaunchFailure);
    EXPECT_EQ(last_fault(), "a misaligned address");
  }
  {
    Gpu gpu;
    EXPECT_EQ(gpu.run(too_little_shared, 1, 32, 4, reinterpret_cast<float*>(out.data())), cudaErrorLaunchFailure);
  }
  Gpu gpu;
  EXPECT_EQ(gpu.run(half_mask, 1, 20, 0, out.data()), cudaErrorLaunchFailure) << "no whole warps";
}

__global__ void copy_shared(float* out) { out[threadIdx.x] = shared_as<Sums>().of_warp[threadIdx.x % 8]; }
__global__ void copy_from(const float* in, float* out, int offset) {
  out[threadIdx.x] = in[static_cast<int>(threadIdx.x) + offset];
}

TEST(EmulatedKernels, WhatNobodyWroteIsNoNumber) {
  Gpu gpu;
  std::vector<float> out(64, 0.0F);
  ASSERT_EQ(gpu.run(copy_shared, 2, 32, sizeof(Sums), out.data()), cudaSuccess);
  for (int i = 0; i < 32; ++i) EXPECT_TRUE(std::isnan(out[static_cast<size_t>(i)]));
  float* fresh = nullptr;
  ASSERT_EQ(cudaMalloc(&fresh, 32 * sizeof(float)), cudaSuccess);
  ASSERT_EQ(gpu.run(copy_from, 1, 32, 0, static_cast<const float*>(fresh), out.data(), 0), cudaSuccess);
  for (int i = 0; i < 32; ++i) EXPECT_TRUE(std::isnan(out[static_cast<size_t>(i)]));
  (void)cudaFree(fresh);
}

#if defined(__SANITIZE_ADDRESS__)
// Device memory is heap memory: one value past its end is seen.
TEST(EmulatedKernelsDeathTest, AddressSanitizerSeesWhatReadsPastTheEnd) {
  const auto read_past_the_end = [] {
    Gpu gpu;
    float *device = nullptr, out[32];
    (void)cudaMalloc(&device, 32 * sizeof(float));
    (void)gpu.run(copy_from, 1, 32, 0, static_cast<const float*>(device), static_cast<float*>(out), 1);
  };
  EXPECT_DEATH(read_past_the_end(), "heap-buffer-overflow");
}
#endif

__global__ void copies(const unsigned char* in, unsigned char* out, bool wait) {
  unsigned char* shared = shared_bytes();
  copy_async16(shared + threadIdx.x * 16, in + threadIdx.x * 16, threadIdx.x == 31 ? 5 : 16);
  copy_async_commit();
  copy_async4(shared + 512 + threadIdx.x * 4, in + threadIdx.x * 4);
  copy_async_commit();
  if (wait) copy_async_wait<1>();
  __syncwarp();
  for (int i = 0; i < 20; ++i) out[threadIdx.x * 20 + i] = shared[threadIdx.x * 20 + i];
}

TEST(EmulatedKernels, CopiesArriveAtTheirWaitOnly) {
  Gpu gpu;
  alignas(16) unsigned char in[512];
  std::iota(in, in + 512, static_cast<unsigned char>(0));
  std::vector<unsigned char> out(640);
  ASSERT_EQ(gpu.run(copies, 1, 32, 640, static_cast<const unsigned char*>(in), out.data(), true), cudaSuccess);
  for (size_t i = 0; i < 501; ++i) ASSERT_EQ(out[i], in[i]);
  for (size_t i = 501; i < 512; ++i) ASSERT_EQ(out[i], 0) << "beyond the valid bytes";
  for (size_t i = 512; i < 640; ++i) ASSERT_EQ(out[i], 0xFF) << "the second group was not waited for";
  ASSERT_EQ(gpu.run(copies, 1, 32, 640, static_cast<const unsigned char*>(in), out.data(), false), cudaSuccess);
  EXPECT_EQ(out[0], 0xFF);
}

// Fragments are filled from whole matrices by the published rule, written here a second time.
__global__ void int8_products(const int8_t* a, const int8_t* b, int* d, int depth) {
  const int group = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  const auto word = [](const int8_t* p, int stride) {
    uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) bits |= static_cast<uint32_t>(static_cast<uint8_t>(p[i * stride])) << (8 * i);
    return bits;
  };
  int sum[4] = {1, 1, 1, 1};
  if (depth == 32) {
    const uint32_t fa[4] = {word(a + group * 32 + 4 * t, 1), word(a + (group + 8) * 32 + 4 * t, 1),
                            word(a + group * 32 + 16 + 4 * t, 1), word(a + (group + 8) * 32 + 16 + 4 * t, 1)};
    const uint32_t fb[2] = {word(b + 4 * t * 8 + group, 8), word(b + (16 + 4 * t) * 8 + group, 8)};
    matrix_int8_k32(sum, fa, fb);
  } else {
    const uint32_t fa[2] = {word(a + group * 16 + 4 * t, 1), word(a + (group + 8) * 16 + 4 * t, 1)};
    const uint32_t fb[1] = {word(b + 4 * t * 8 + group, 8)};
    matrix_int8_k16(sum, fa, fb);
  }
  for (int j = 0; j < 4; ++j) d[(group + 8 * (j / 2)) * 8 + 2 * t + j % 2] = sum[j];
}

TEST(EmulatedKernels, IntegerMatrixProducts) {
  for (const int depth : {16, 32}) {
    Gpu gpu;
    std::vector<int8_t> a(static_cast<size_t>(16 * depth)), b(static_cast<size_t>(depth * 8));
    for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<int8_t>(i * 37 + 11);
    for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<int8_t>(i * 91 + 3);
    std::vector<int> d(128);
    ASSERT_EQ(gpu.run(int8_products, 1, 32, 0, static_cast<const int8_t*>(a.data()),
                      static_cast<const int8_t*>(b.data()), d.data(), depth),
              cudaSuccess);
    for (int row = 0; row < 16; ++row) {
      for (int column = 0; column < 8; ++column) {
        int expected = 1;
        for (int k = 0; k < depth; ++k)
          expected += a[static_cast<size_t>(row * depth + k)] * b[static_cast<size_t>(k * 8 + column)];
        ASSERT_EQ(d[static_cast<size_t>(row * 8 + column)], expected);
      }
    }
  }
}

// Each lane names the row it should, and gets the pieces of four others'.
__global__ void four_matrices(uint32_t* out) {
  auto* shared = shared_bytes();
  for (int i = 0; i < 16; ++i) shared[threadIdx.x * 48 + i] = static_cast<unsigned char>(threadIdx.x * 7 + i);
  __syncwarp();
  uint32_t words[4];
  load_matrices(words, shared + threadIdx.x * 48);
  for (int m = 0; m < 4; ++m) out[threadIdx.x * 4 + m] = words[m];
}

TEST(EmulatedKernels, MatricesFromSharedMemory) {
  Gpu gpu;
  std::vector<uint32_t> out(128);
  ASSERT_EQ(gpu.run(four_matrices, 1, 32, 32 * 48, out.data()), cudaSuccess);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    for (uint32_t m = 0; m < 4; ++m) {
      uint32_t expected = 0;
      for (uint32_t i = 0; i < 4; ++i) expected |= (((m * 8 + lane / 4) * 7 + lane % 4 * 4 + i) & 0xFF) << (8 * i);
      ASSERT_EQ(out[lane * 4 + m], expected) << lane << " " << m;
    }
  }
}

TEST(EmulatedKernels, Tf32RoundsToElevenBits) {
  EXPECT_EQ(to_tf32(1.0F), 0x3F800000U);
  EXPECT_EQ(to_tf32(1.0F + 0x1p-11F), 0x3F802000U) << "ties go away from zero";
  EXPECT_EQ(to_tf32(1.0F + 0x1p-12F), 0x3F800000U);
  EXPECT_EQ(to_tf32(-(1.0F + 0x1.8p-11F)), 0xBF802000U);
}

}  // namespace
}  // namespace da::cuda_emulation
