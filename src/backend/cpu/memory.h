#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

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

  // Usable at once. Error: kResourceExhausted names `what` and the bytes.
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

}  // namespace da::backend::cpu
