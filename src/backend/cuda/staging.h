#pragma once

#include <array>
#include <cstdint>

#include "backend/cuda/memory.h"

namespace da::backend::cuda {

// Pinned memory through which everything goes to the device, in a ring: while one slot is copied the next is filled. A
// slot is used again when its copies are done; the host waits only when it is a whole ring ahead.
class Staging {
 public:
  Status open(cudaStream_t stream, uint64_t slot_bytes, int64_t deadline_ms);
  // Slots of at least this size.
  Status reserve(uint64_t slot_bytes);
  uint64_t slot_bytes() const { return slots_[0].memory.size_bytes(); }

  // The next slot, to be filled. At most slot_bytes() are wanted.
  Result<uint8_t*> acquire();
  // Copies a part of the slot to the device; any number before submit().
  Status copy(void* to, uint64_t offset_bytes, uint64_t bytes);
  Status submit();
  // All copies are done.
  Status wait();

 private:
  struct Slot {
    PinnedMemory memory;
    Event copied;
    bool in_flight = false;
  };
  std::array<Slot, 3> slots_;
  size_t current_ = 0;
  cudaStream_t stream_ = nullptr;
  int64_t deadline_ms_ = 0;
};

}  // namespace da::backend::cuda
