#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "backend/backend.h"
#include "backend/candidate.h"
#include "base/result.h"

namespace da::backend {

// Memory of a device by what it is for.
struct DeviceBytes {
  uint64_t weights = 0, kv = 0, buffers = 0;
  uint64_t total() const { return weights + kv + buffers; }
};

// What backends with a device's own memory offer beside backend.h. A backend may be one by deriving from this too.
class DeviceBackend {
 public:
  virtual ~DeviceBackend() = default;
  // Held now; the sum is device_bytes(). From any thread.
  virtual DeviceBytes bytes_by_kind() const = 0;
  // What made the device unusable in this process; ok as long as nothing did. On the thread that computes, or after it.
  virtual Status fault() const = 0;
  // Of each row the k largest values (1 <= k <= kMaxTopK and the width), of equals those of the lowest columns, in any
  // order: out [n_rows][k]. A row that holds something not finite has a first column of -1. Waits for the device;
  // errors as of argmax().
  virtual Status top_k(const Activation& in, int32_t k, std::span<Candidate> out) = 0;
  // Called by load_weight, on its thread, each time it has handed a chunk to the device: how many of the tensor's bytes
  // have gone. Returning false ends that load with kCancelled. Empty: nobody wants to know.
  using OnChunk = std::function<bool(uint64_t bytes_done)>;
  virtual void on_chunk(OnChunk on_chunk) = 0;
};

}  // namespace da::backend
