#include "backend/cuda/staging.h"

#include <utility>

namespace da::backend::cuda {

Status Staging::open(cudaStream_t stream, uint64_t slot_bytes, int64_t deadline_ms) {
  stream_ = stream;
  deadline_ms_ = deadline_ms;
  for (Slot& slot : slots_) DA_RETURN_IF_ERROR(slot.copied.make());
  return reserve(slot_bytes);
}

Status Staging::reserve(uint64_t slot_bytes) {
  if (slot_bytes <= this->slot_bytes()) return Status::ok();
  DA_RETURN_IF_ERROR(wait());
  for (Slot& slot : slots_) {
    DA_ASSIGN_OR_RETURN(auto memory, PinnedMemory::allocate(slot_bytes, "staging"));
    slot.memory = std::move(memory);
  }
  return Status::ok();
}

Result<uint8_t*> Staging::acquire() {
  Slot& slot = slots_[current_];
  if (slot.in_flight) DA_RETURN_IF_ERROR(slot.copied.wait(deadline_ms_));
  slot.in_flight = false;
  return slot.memory.as<uint8_t>();
}

Status Staging::copy(void* to, uint64_t offset_bytes, uint64_t bytes) {
  if (bytes == 0) return Status::ok();
  return DA_CUDA_STATUS(
      cudaMemcpyAsync(to, slots_[current_].memory.as<uint8_t>(offset_bytes), bytes, cudaMemcpyHostToDevice, stream_));
}

Status Staging::submit() {
  Slot& slot = slots_[current_];
  DA_RETURN_IF_ERROR(slot.copied.record(stream_));
  slot.in_flight = true;
  current_ = (current_ + 1) % slots_.size();
  return Status::ok();
}

Status Staging::wait() {
  for (Slot& slot : slots_) {
    if (slot.in_flight) DA_RETURN_IF_ERROR(slot.copied.wait(deadline_ms_));
    slot.in_flight = false;
  }
  return Status::ok();
}

}  // namespace da::backend::cuda
