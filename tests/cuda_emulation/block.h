#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cuda_emulation/fiber.h"
#include "cuda_emulation/include/vector_types.h"

// One block of threads, run on the CPU: every thread is a fiber. A warp's lanes run one after another in an order drawn
// anew at every step, each until it waits for the others; then another lane, then another warp. What is read without
// the barrier it needs is therefore read too early in some order, and finds poison.
// As the CUDA language calls them; set before a block's threads run.
inline dim3 gridDim, blockDim;
inline uint3 blockIdx;

namespace da::cuda_emulation {

inline constexpr int kWarpLanes = 32;

// What a warp does together. All 32 lanes must come to the same one.
enum class CollectiveKind : uint8_t { kNone, kSync, kShuffle, kVote, kMatch, kMatrix };

class Block;
struct Warp;

struct Lane {
  Fiber fiber;
  uint3 thread_idx{};
  int lane_idx = 0;
  Warp* warp = nullptr;
};

struct Warp {
  Lane lanes[kWarpLanes];
  uint32_t ready = 0;    // lanes that may run and do not
  uint32_t live = 0;     // lanes that have not ended
  uint32_t arrived = 0;  // lanes at the collective
  uint32_t at_barrier = 0;
  CollectiveKind kind = CollectiveKind::kNone;
  void* data[kWarpLanes] = {};  // of the collective, by lane
};

struct GridShape {
  dim3 grid, block;
  size_t shared_bytes = 0;
};

// What device code sees of its block; one emulated kernel runs at a time.
struct BlockPlace {
  unsigned char* shared = nullptr;  // [shared_bytes]
  size_t shared_bytes = 0;
  uint64_t serial = 0;  // of the block, never used again
};
inline BlockPlace place;
inline Lane* lane = nullptr;

// Runs all blocks of a grid, in an order drawn from `seed`; "" or what went wrong (a barrier not all threads reach, a
// collective without all lanes).
std::string run_grid(const GridShape& shape, uint64_t seed, const std::function<void()>& body);

// Called by device code.
void sync_threads();
// When all lanes of the warp are here, `resolve` is called once with what each brought; then all go on.
void collective(CollectiveKind kind, void* data, void (*resolve)(void* const* data));
// Ends the grid with this fault.
[[noreturn]] void device_fault(const std::string& what);

}  // namespace da::cuda_emulation
