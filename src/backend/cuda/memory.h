#pragma once

#include <cuda_runtime.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "backend/cuda/status.h"
#include "base/result.h"

namespace da::backend::cuda {

// What memory is for.
enum class MemoryKind : uint8_t { kWeights, kKv, kBuffers };

// The account of one backend's device memory. With count_only nothing is allocated, only booked.
struct Ledger {
  std::array<std::atomic<uint64_t>, 3> by_kind{};
  bool count_only = false;

  std::atomic<uint64_t>& of(MemoryKind kind) { return by_kind[static_cast<size_t>(kind)]; }
  uint64_t bytes() const { return by_kind[0] + by_kind[1] + by_kind[2]; }
};

// What the driver takes for an allocation: whole pages of 2 MiB for large ones; small ones share pages.
uint64_t allocation_bytes(uint64_t size_bytes);

// Memory of the device that is current, 256-byte aligned, not cleared. Move-only. To be freed while its device is well:
// after a fault freeing fails, and with it nothing is lost, since the process is about to end.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(DeviceMemory&& other) noexcept { *this = std::move(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    std::swap(ledger_, other.ledger_);
    std::swap(kind_, other.kind_);
    return *this;
  }
  ~DeviceMemory() {
    if (data_ != nullptr) (void)cudaFree(data_);
    if (ledger_ != nullptr) ledger_->of(kind_) -= allocation_bytes(size_bytes_);
  }

  // Booked in `ledger`, which must live longer. Error: kResourceExhausted names `what`, the bytes needed and those
  // free.
  static Result<DeviceMemory> allocate(Ledger& ledger, uint64_t size_bytes, const char* what,
                                       MemoryKind kind = MemoryKind::kBuffers);

  uint8_t* data() const { return static_cast<uint8_t*>(data_); }
  template <class T>
  T* as(uint64_t offset_bytes = 0) const {
    return reinterpret_cast<T*>(data() + offset_bytes);
  }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  void* data_ = nullptr;
  uint64_t size_bytes_ = 0;
  Ledger* ledger_ = nullptr;
  MemoryKind kind_ = MemoryKind::kBuffers;
};

// Host memory that the device copies from and to directly. Move-only.
class PinnedMemory {
 public:
  PinnedMemory() = default;
  PinnedMemory(PinnedMemory&& other) noexcept { *this = std::move(other); }
  PinnedMemory& operator=(PinnedMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    return *this;
  }
  ~PinnedMemory() { (void)cudaFreeHost(data_); }

  static Result<PinnedMemory> allocate(uint64_t size_bytes, const char* what);

  template <class T>
  T* as(uint64_t offset_bytes = 0) const {
    return reinterpret_cast<T*>(static_cast<uint8_t*>(data_) + offset_bytes);
  }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  void* data_ = nullptr;
  uint64_t size_bytes_ = 0;
};

// A point in a stream, to be waited for.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() {
    if (event_ != nullptr) (void)cudaEventDestroy(event_);
  }
  Status make() { return DA_CUDA_STATUS(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  Status record(cudaStream_t stream) { return DA_CUDA_STATUS(cudaEventRecord(event_, stream)); }
  // Waits on the host, at most `deadline_ms`: a kernel may never end. Error: kUnavailable.
  Status wait(int64_t deadline_ms) const;
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

// "1234 MiB" style figures for messages: bytes in full.
std::string free_memory_text();

}  // namespace da::backend::cuda
