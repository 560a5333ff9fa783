#include "cuda_emulation/block.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>

namespace da::cuda_emulation {
namespace {

// Shared memory starts as this: a NaN as float16 and float32, -1 as an integer.
constexpr int kPoison = 0xFF;

struct Running {
  FiberStacks stacks;
  Fiber scheduler;
  std::vector<std::unique_ptr<Warp>> warps;
  const std::function<void()>* body = nullptr;
  std::string fault;
  uint64_t random = 1, n_blocks = 0;
  unsigned rotation = 0;  // where the search for the next lane begins

  uint32_t draw() {  // xorshift64*
    random ^= random >> 12;
    random ^= random << 25;
    random ^= random >> 27;
    return static_cast<uint32_t>((random * 2685821657736338717ULL) >> 32);
  }
};

Running& running() {
  static Running state;
  return state;
}

Lane& take_ready_lane(Warp& warp) {
  const unsigned rotation = running().rotation;
  const int turned = std::countr_zero(std::rotr(warp.ready, static_cast<int>(rotation)));
  const auto next = (static_cast<unsigned>(turned) + rotation) % kWarpLanes;
  warp.ready &= ~(1U << next);
  return warp.lanes[next];
}

// Lets another lane of the warp run, or the scheduler if none can. Returns when this one is resumed.
void leave(Lane& from) {
  Running& run = running();
  Warp& warp = *from.warp;
  if (warp.ready == 0) {
    switch_fiber(from.fiber, run.scheduler);
    return;
  }
  lane = &take_ready_lane(warp);
  switch_fiber(from.fiber, lane->fiber);
}

void lane_main() {
  (*running().body)();
  Lane& self = *lane;
  Warp& warp = *self.warp;
  warp.live &= ~(1U << self.lane_idx);
  if (warp.arrived != 0) device_fault("a thread ended while its warp waits for it");
  leave(self);
  std::abort();  // an ended thread is not resumed
}

void start_block(const GridShape& shape) {
  Running& run = running();
  const unsigned n_threads = shape.block.x * shape.block.y * shape.block.z;
  while (run.warps.size() < n_threads / kWarpLanes) run.warps.push_back(std::make_unique<Warp>());
  for (unsigned i = 0; i < n_threads; ++i) {
    Warp& warp = *run.warps[i / kWarpLanes];
    Lane& thread = warp.lanes[i % kWarpLanes];
    thread.warp = &warp;
    thread.lane_idx = static_cast<int>(i % kWarpLanes);
    thread.thread_idx = {i % shape.block.x, i / shape.block.x % shape.block.y, i / (shape.block.x * shape.block.y)};
    run.stacks.prepare(i, lane_main, thread.fiber);
    if (i % kWarpLanes == 0) {
      warp.ready = warp.live = ~0U;
      warp.arrived = warp.at_barrier = 0;
    }
  }
}

// Until all threads ended or a fault stands in run.fault.
void run_block(unsigned n_warps) {
  Running& run = running();
  std::vector<unsigned> order(n_warps);
  std::iota(order.begin(), order.end(), 0U);
  for (;;) {
    std::shuffle(order.begin(), order.end(), std::minstd_rand(run.draw()));
    for (const unsigned index : order) {
      Warp& warp = *run.warps[index];
      if (warp.ready == 0) continue;
      run.rotation = run.draw() % kWarpLanes;
      lane = &take_ready_lane(warp);
      switch_fiber(run.scheduler, lane->fiber);
      if (!run.fault.empty()) return;
    }
    bool all_ended = true, all_waiting = true;
    for (unsigned i = 0; i < n_warps; ++i) {
      const Warp& warp = *run.warps[i];
      all_ended = all_ended && warp.live == 0;
      all_waiting = all_waiting && warp.at_barrier == ~0U;  // of one that has ended, too: CUDA asks for all
    }
    if (all_ended) return;
    if (!all_waiting) {
      run.fault = "threads wait for others that do not come";
      return;
    }
    for (unsigned i = 0; i < n_warps; ++i) {
      Warp& warp = *run.warps[i];
      warp.ready = warp.at_barrier;
      warp.at_barrier = 0;
    }
  }
}

}  // namespace

std::string run_grid(const GridShape& shape, uint64_t seed, const std::function<void()>& body) {
  Running& run = running();
  run.body = &body;
  run.fault.clear();
  run.random = seed * 0x9E3779B97F4A7C15ULL + 1;
  const unsigned n_threads = shape.block.x * shape.block.y * shape.block.z;
  if (n_threads % kWarpLanes != 0) return "a block of " + std::to_string(n_threads) + " threads: no whole warps";
  const unsigned n_blocks = shape.grid.x * shape.grid.y * shape.grid.z;
  std::vector<unsigned> order(n_blocks);
  std::iota(order.begin(), order.end(), 0U);
  std::shuffle(order.begin(), order.end(), std::minstd_rand(run.draw()));
  // From the heap for each grid, so that AddressSanitizer sees what reads past its end; 16-byte aligned as on a GPU.
  const std::unique_ptr<unsigned char, decltype(&std::free)> shared(
      static_cast<unsigned char*>(std::aligned_alloc(16, (shape.shared_bytes + 31) / 16 * 16)), &std::free);
  for (const unsigned index : order) {
    std::memset(shared.get(), kPoison, shape.shared_bytes);
    gridDim = shape.grid;
    blockDim = shape.block;
    blockIdx = {index % shape.grid.x, index / shape.grid.x % shape.grid.y, index / (shape.grid.x * shape.grid.y)};
    place = {shared.get(), shape.shared_bytes, ++run.n_blocks};
    start_block(shape);
    run_block(n_threads / kWarpLanes);
    if (!run.fault.empty()) break;
  }
  lane = nullptr;
  return run.fault;
}

void sync_threads() {
  Warp& warp = *lane->warp;
  if (warp.arrived != 0) device_fault("a thread at a barrier that its warp waits for elsewhere");
  warp.at_barrier |= 1U << lane->lane_idx;
  leave(*lane);
}

void collective(CollectiveKind kind, void* data, void (*resolve)(void* const* data)) {
  Warp& warp = *lane->warp;
  if (warp.live != ~0U) device_fault("a warp operation after a lane has ended");
  if (warp.at_barrier != 0) device_fault("a warp operation while a lane is at a barrier");
  if (warp.arrived != 0 && warp.kind != kind) device_fault("lanes of a warp at different operations");
  warp.kind = kind;
  warp.data[lane->lane_idx] = data;
  warp.arrived |= 1U << lane->lane_idx;
  if (warp.arrived != ~0U) {
    leave(*lane);
    return;
  }
  resolve(warp.data);
  warp.arrived = 0;
  warp.ready = ~(1U << lane->lane_idx);
  Running& run = running();
  run.rotation = run.draw() % kWarpLanes;
}

void device_fault(const std::string& what) {
  Running& run = running();
  run.fault = what;
  switch_fiber(lane->fiber, run.scheduler);
  std::abort();  // a dropped thread is not resumed
}

}  // namespace da::cuda_emulation
