// The host side of the emulation: memory and its cap, streams that run late, events, graphs, virtual memory, faults.
#include <gtest/gtest.h>

#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdlib>
#include <cstring>

#include "cuda_emulation/emulation.h"

namespace da::cuda_emulation {
namespace {

constexpr size_t kMiB = 1 << 20;

__global__ void add_one(int* values) { values[threadIdx.x] += 1; }

cudaError_t launch_add(int* values, cudaStream_t stream) {
  const cudaLaunchConfig_t config{1, 32, 0, stream, nullptr, 0};
  return cudaLaunchKernelEx(&config, add_one, values);
}

class EmulatedRuntime : public testing::Test {
 protected:
  void SetUp() override {
    configure({.devices = {{.memory_bytes = 8 * kMiB}, {.memory_bytes = 16 * kMiB}}});
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaMalloc(&device, 32 * sizeof(int)), cudaSuccess);
    ASSERT_EQ(cudaHostAlloc(reinterpret_cast<void**>(&host), 32 * sizeof(int), cudaHostAllocDefault), cudaSuccess);
    for (int i = 0; i < 32; ++i) host[i] = i;
  }
  void TearDown() override {
    (void)cudaSetDevice(0);
    (void)cudaStreamDestroy(stream);
    (void)cudaFree(device);
    (void)cudaFreeHost(host);
    EXPECT_EQ(used_bytes(0), 0U);
  }
  cudaError_t upload() { return cudaMemcpyAsync(device, host, 32 * sizeof(int), cudaMemcpyHostToDevice, stream); }
  cudaError_t download() { return cudaMemcpyAsync(host, device, 32 * sizeof(int), cudaMemcpyDeviceToHost, stream); }

  cudaStream_t stream = nullptr;
  int *device = nullptr, *host = nullptr;
};

TEST_F(EmulatedRuntime, StreamsRunWhenWaitedFor) {
  ASSERT_EQ(upload(), cudaSuccess);
  host[3] = 100;  // too early: the copy has not read it
  ASSERT_EQ(launch_add(device, stream), cudaSuccess);
  ASSERT_EQ(download(), cudaSuccess);
  EXPECT_EQ(host[4], 4);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(host[3], 101);
  EXPECT_EQ(host[4], 5);
}

TEST_F(EmulatedRuntime, EventsOrderStreams) {
  cudaStream_t other = nullptr;
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking), cudaSuccess);
  ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
  ASSERT_EQ(upload(), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  ASSERT_EQ(launch_add(device, stream), cudaSuccess);  // after the event: not waited for
  ASSERT_EQ(cudaStreamWaitEvent(other, event, 0), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(host, device, 32 * sizeof(int), cudaMemcpyDeviceToHost, other), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(other), cudaSuccess);
  EXPECT_EQ(host[7], 7);
  (void)cudaEventDestroy(event);
  (void)cudaStreamDestroy(other);
}

TEST_F(EmulatedRuntime, GraphsReplay) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(upload(), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  ASSERT_EQ(launch_add(device, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(cudaGraphLaunch(executable, stream), cudaSuccess);
  ASSERT_EQ(download(), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(host[0], 3);
  EXPECT_EQ(n_graph_launches(), 3U);
  EXPECT_EQ(n_kernels(), 3U);
  ASSERT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
}

TEST_F(EmulatedRuntime, RefusesWhatARealOneWouldNotDoWell) {
  int pageable[32] = {};
  EXPECT_EQ(cudaMemcpyAsync(device, pageable, sizeof pageable, cudaMemcpyHostToDevice, stream), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(device, host, 33 * sizeof(int), cudaMemcpyHostToDevice, stream), cudaErrorInvalidValue)
      << "too long";
  EXPECT_EQ(cudaMemcpyAsync(host, device, 4, cudaMemcpyHostToDevice, stream), cudaErrorInvalidValue) << "wrong way";
  cudaLaunchConfig_t config{1, 32, 60 << 10, stream, nullptr, 0};
  EXPECT_EQ(cudaLaunchKernelEx(&config, add_one, device), cudaErrorInvalidValue) << "shared memory over 48 KiB unasked";
  ASSERT_EQ(cudaFuncSetAttribute(add_one, cudaFuncAttributeMaxDynamicSharedMemorySize, 60 << 10), cudaSuccess);
  EXPECT_EQ(cudaLaunchKernelEx(&config, add_one, device), cudaSuccess);
  EXPECT_NE(cudaFuncSetAttribute(add_one, cudaFuncAttributeMaxDynamicSharedMemorySize, 200 << 10), cudaSuccess);
  config = {0, 32, 0, stream, nullptr, 0};
  EXPECT_EQ(cudaLaunchKernelEx(&config, add_one, device), cudaErrorInvalidConfiguration);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  config = {1, 32, 0, stream, nullptr, 0};
  EXPECT_EQ(cudaLaunchKernelEx(&config, add_one, device), cudaErrorInvalidResourceHandle)
      << "another device is current";
}

TEST_F(EmulatedRuntime, MemoryIsCapped) {
  void* big = nullptr;
  EXPECT_EQ(cudaMalloc(&big, 8 * kMiB), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  occupy(0, 4 * kMiB);
  EXPECT_EQ(cudaMalloc(&big, 5 * kMiB), cudaErrorMemoryAllocation);
  ASSERT_EQ(cudaMalloc(&big, 3 * kMiB), cudaSuccess);
  size_t free_bytes = 0, total_bytes = 0;
  ASSERT_EQ(cudaMemGetInfo(&free_bytes, &total_bytes), cudaSuccess);
  EXPECT_EQ(total_bytes, 8 * kMiB);
  EXPECT_EQ(free_bytes, kMiB - 32 * sizeof(int));
  ASSERT_EQ(cudaFree(big), cudaSuccess);
  fail_allocation(2);
  ASSERT_EQ(cudaMalloc(&big, 16), cudaSuccess);
  void* second = nullptr;
  EXPECT_EQ(cudaMalloc(&second, 16), cudaErrorMemoryAllocation);
  ASSERT_EQ(cudaFree(big), cudaSuccess);
}

TEST_F(EmulatedRuntime, VirtualMemoryGrows) {
  const CUmemAllocationProp properties{CU_MEM_ALLOCATION_TYPE_PINNED, {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
  const CUmemAccessDesc access{{CU_MEM_LOCATION_TYPE_DEVICE, 0}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
  CUdeviceptr area = 0;
  ASSERT_EQ(cuMemAddressReserve(&area, 64 * kMiB, 0, 0, 0), CUDA_SUCCESS) << "addresses cost no memory";
  EXPECT_NE(cuMemAddressReserve(&area, 1000, 0, 0, 0), CUDA_SUCCESS);
  CUmemGenericAllocationHandle handle = 0;
  ASSERT_EQ(cuMemCreate(&handle, 4 * kMiB, &properties, 0), CUDA_SUCCESS);
  EXPECT_NE(cuMemMap(area + 62 * kMiB, 4 * kMiB, 0, handle, 0), CUDA_SUCCESS) << "beyond the area";
  ASSERT_EQ(cuMemMap(area, 4 * kMiB, 0, handle, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuMemSetAccess(area, 4 * kMiB, &access, 1), CUDA_SUCCESS);
  ASSERT_EQ(cuMemRelease(handle), CUDA_SUCCESS);
  EXPECT_GE(used_bytes(0), 4 * kMiB) << "mapped memory stays";
  EXPECT_EQ(cuMemCreate(&handle, 6 * kMiB, &properties, 0), CUDA_ERROR_OUT_OF_MEMORY);
  int* values = reinterpret_cast<int*>(area + kMiB);
  ASSERT_EQ(cudaMemcpyAsync(values, host, 128, cudaMemcpyHostToDevice, stream), cudaSuccess);
  ASSERT_EQ(launch_add(values, stream), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(host, values, 128, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(host[9], 10);
  EXPECT_NE(cuMemAddressFree(area, 64 * kMiB), CUDA_SUCCESS) << "still mapped";
  ASSERT_EQ(cuMemUnmap(area, 4 * kMiB), CUDA_SUCCESS);
  EXPECT_LT(used_bytes(0), kMiB);
  ASSERT_EQ(cuMemAddressFree(area, 64 * kMiB), CUDA_SUCCESS);
}

TEST_F(EmulatedRuntime, InjectedFaults) {
  ASSERT_EQ(upload(), cudaSuccess);
  hang_kernel(1);
  ASSERT_EQ(launch_add(device, stream), cudaSuccess) << "a launch does not see it";
  EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
  EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
}

TEST_F(EmulatedRuntime, ALostDeviceStaysLost) {
  lose_device_at_kernel(2);
  ASSERT_EQ(upload(), cudaSuccess);
  ASSERT_EQ(launch_add(device, stream), cudaSuccess);
  ASSERT_EQ(launch_add(device, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorDevicesUnavailable);
  EXPECT_EQ(upload(), cudaErrorDevicesUnavailable);
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess) << "the other one is well";
}

TEST_F(EmulatedRuntime, PeerCopies) {
  int *other = nullptr, *host_other = nullptr;
  cudaStream_t other_stream = nullptr;
  ASSERT_EQ(upload(), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  ASSERT_EQ(cudaStreamCreateWithFlags(&other_stream, cudaStreamNonBlocking), cudaSuccess);
  ASSERT_EQ(cudaMalloc(&other, 128), cudaSuccess);
  ASSERT_EQ(cudaHostAlloc(reinterpret_cast<void**>(&host_other), 128, 0), cudaSuccess);
  for (const bool corrupt : {false, true}) {
    corrupt_peer_copies(corrupt);
    ASSERT_EQ(cudaMemcpyPeerAsync(other, 1, device, 0, 128, other_stream), cudaSuccess);
    ASSERT_EQ(cudaMemcpyAsync(host_other, other, 128, cudaMemcpyDeviceToHost, other_stream), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(other_stream), cudaSuccess);
    EXPECT_EQ(std::memcmp(host_other, host, 128) != 0, corrupt);
  }
  EXPECT_EQ(cudaMemcpyAsync(other, device, 128, cudaMemcpyDeviceToDevice, other_stream), cudaErrorInvalidValue);
  (void)cudaStreamDestroy(other_stream);
  (void)cudaFree(other);
  (void)cudaFreeHost(host_other);
}

TEST(EmulatedDevices, VisibleOnesAreThoseNamed) {
  const auto names = [](const char* visible) {
    setenv("CUDA_VISIBLE_DEVICES", visible, 1);
    configure({.devices = std::vector<DeviceOptions>(3)});
    unsetenv("CUDA_VISIBLE_DEVICES");
    std::string all;
    int count = 0;
    (void)cudaGetDeviceCount(&count);
    for (int i = 0; i < count; ++i) {
      cudaDeviceProp properties;
      EXPECT_EQ(cudaGetDeviceProperties(&properties, i), cudaSuccess);
      all += properties.name[std::strlen(properties.name) - 1];
    }
    return all;
  };
  EXPECT_EQ(names("2,0"), "31");
  EXPECT_EQ(names(""), "");
  EXPECT_EQ(names("1,9,0"), "2");
  EXPECT_EQ(names("GPU-5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a02"), "2");
}

}  // namespace
}  // namespace da::cuda_emulation
