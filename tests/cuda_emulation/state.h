#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "cuda_emulation/emulation.h"

// The emulated runtime's own records.
namespace da::cuda_emulation {

using Operation = std::function<cudaError_t()>;

struct Graph {
  std::vector<Operation> operations;
};

struct Stream {
  int device = 0;
  std::deque<Operation> waiting;
  uint64_t n_queued = 0, n_done = 0;
  std::unique_ptr<Graph> capture;
};

// Complete when `stream` has done `position` operations.
struct Event {
  Stream* stream = nullptr;
  uint64_t position = 0;
};

struct Device {
  DeviceOptions options;
  std::string uuid;  // 16 bytes
  size_t used = 0, occupied = 0;
  cudaError_t sticky = cudaSuccess;
  bool hanging = false;
};

struct Allocation {
  int device = -1;  // -1: pinned host memory
  size_t bytes = 0;
};

struct Physical {
  int device = 0;
  size_t bytes = 0;
  bool released = false, mapped = false;
};

struct State {
  std::recursive_mutex mutex;
  bool configured = false;
  std::vector<Device> devices;
  uint64_t seed = 1;
  bool peer_access = true, corrupt_peer_copies = false, corrupt_uploads = false, driver_fails = false;
  std::map<uintptr_t, Allocation> allocations;
  std::vector<std::unique_ptr<Stream>> streams;
  std::unordered_map<const void*, int> max_shared;
  std::map<CUmemGenericAllocationHandle, Physical> physical;
  std::map<CUdeviceptr, size_t> reserved;  // bytes
  std::map<CUdeviceptr, CUmemGenericAllocationHandle> mapped;
  CUmemGenericAllocationHandle next_handle = 1;
  int fail_allocation = 0, fault_kernel = 0, hang_kernel = 0, lose_kernel = 0;
  int exhaust_at = 0;  // allocations until none succeeds; 1: none does; 0: off
  uint64_t n_kernels = 0, n_graph_launches = 0, n_allocations = 0, n_waits = 0;
  std::string last_fault;
  cudaError_t last_error = cudaSuccess;
};

State& state();
int& current_device();  // of this host thread

// Every call passes its result through here, as cudaGetLastError wants.
cudaError_t result(cudaError_t error);
// The device's sticky error, or that the index is wrong.
cudaError_t usable(int device);
// Counts down an injected fault; true when it is due.
bool due(int& countdown);
// Counts an allocation of device or pinned memory; true if an injected fault takes it.
bool refuses_allocation();
// Runs a stream's operations up to `position` (all: UINT64_MAX). The device's error, or cudaErrorNotReady if it hangs.
cudaError_t drain(Stream& stream, uint64_t position = UINT64_MAX);
cudaError_t drain_device(int device);
cudaError_t enqueue(Stream* stream, Operation operation);
// The allocation that holds [address, address + bytes), or null.
const Allocation* find_allocation(const void* address, size_t bytes);

}  // namespace da::cuda_emulation
