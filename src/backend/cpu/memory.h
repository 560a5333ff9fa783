#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"

namespace da::backend::cpu {

// Anonymous memory straight from the system: zeroed, page-aligned, on huge pages where they are to be had. Move-only.
class Memory {
 public:
  Memory() = default;
  Memory(Memory&& other) noexcept { *this = std::move(other); }
  Memory& operator=(Memory&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(size_bytes_, other.size_bytes_);
    return *this;
  }
  ~Memory();

  // Usable at once; from 2 MiB on at an address that is a multiple of 2 MiB. Error: kResourceExhausted names `what` and
  // the bytes.
  static Result<Memory> allocate(uint64_t size_bytes, const char* what);
  // Address space only; commit() makes a part of it usable.
  static Result<Memory> reserve(uint64_t size_bytes, const char* what);
  Status commit(uint64_t begin_bytes, uint64_t end_bytes, const char* what);

  uint8_t* data() const { return static_cast<uint8_t*>(address_); }
  float* floats() const { return static_cast<float*>(address_); }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  void* address_ = nullptr;
  uint64_t size_bytes_ = 0;
};

// Memory for many objects that live as long as it does, one behind the other, so that all of it lies on huge pages. Not
// for threads.
class Arena {
 public:
  // Zeroed, 64-byte aligned.
  Result<std::span<uint8_t>> allocate(uint64_t size_bytes, const char* what);

 private:
  std::vector<Memory> chunks_;
  uint64_t used_bytes_ = 0;  // of the last
};

}  // namespace da::backend::cpu
