#include "backend/cuda/memory.h"

#include <chrono>
#include <thread>

namespace da::backend::cuda {

std::string free_memory_text() {
  size_t free_bytes = 0, total_bytes = 0;
  if (cudaMemGetInfo(&free_bytes, &total_bytes) != cudaSuccess) return "an unknown number is free";
  return std::to_string(free_bytes) + " of " + std::to_string(total_bytes) + " are free";
}

uint64_t allocation_bytes(uint64_t size_bytes) {
  constexpr uint64_t kLarge = 1 << 20, kPage = 2 << 20, kSmall = 512;
  const uint64_t unit = size_bytes >= kLarge ? kPage : kSmall;
  return (size_bytes + unit - 1) / unit * unit;
}

Result<DeviceMemory> DeviceMemory::allocate(Ledger& ledger, uint64_t size_bytes, const char* what, MemoryKind kind) {
  DeviceMemory memory;
  memory.size_bytes_ = size_bytes;
  memory.kind_ = kind;
  if (ledger.count_only) {
    ledger.of(kind) += allocation_bytes(size_bytes);
    memory.ledger_ = &ledger;
    return memory;
  }
  const cudaError_t error = cudaMalloc(&memory.data_, size_bytes);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();  // not a fault: the device goes on
    return {ErrorCode::kResourceExhausted,
            "GPU: " + std::string(what) + ": " + std::to_string(size_bytes) + " bytes needed, " + free_memory_text()};
  }
  DA_RETURN_IF_ERROR(cuda_status(error, "cudaMalloc"));
  ledger.of(kind) += allocation_bytes(size_bytes);
  memory.ledger_ = &ledger;
  return memory;
}

Result<PinnedMemory> PinnedMemory::allocate(uint64_t size_bytes, const char* what) {
  PinnedMemory memory;
  const cudaError_t error = cudaHostAlloc(&memory.data_, size_bytes, cudaHostAllocDefault);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    return {ErrorCode::kResourceExhausted, "GPU: " + std::string(what) + ": the system refused " +
                                               std::to_string(size_bytes) + " bytes of pinned host memory"};
  }
  DA_RETURN_IF_ERROR(cuda_status(error, "cudaHostAlloc"));
  memory.size_bytes_ = size_bytes;
  return memory;
}

Status Event::wait(int64_t deadline_ms) const {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  // A decode step takes milliseconds: look often at first, then leave the processor to others.
  constexpr auto kSpin = std::chrono::microseconds(50);
  for (;;) {
    const cudaError_t error = cudaEventQuery(event_);
    if (error == cudaSuccess) return Status::ok();
    if (error != cudaErrorNotReady) return cuda_status(error, "a step on the device");
    const auto waited = Clock::now() - begin;
    if (waited > std::chrono::milliseconds(deadline_ms)) {
      return {ErrorCode::kUnavailable, "GPU: a step did not end within " + std::to_string(deadline_ms) + " ms"};
    }
    if (waited > kSpin) std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

}  // namespace da::backend::cuda
