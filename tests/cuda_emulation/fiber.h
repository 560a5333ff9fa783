#pragma once

#include <cstddef>
#include <vector>

namespace da::cuda_emulation {

// A thread of a block as a flow of control of its own: switching costs a few nanoseconds, so that a block of hundreds
// of threads with a barrier at every step runs at a useful speed. A suspended fiber may be dropped and its stack used
// anew (after a fault); nothing on it is destroyed.
struct Fiber {
  void* stack_pointer = nullptr;
};

// Suspends the running flow into `from` and resumes `to`.
void switch_fiber(Fiber& from, const Fiber& to);

// Stacks for the threads of a block, kept from block to block, each with a page below it that may not be touched.
class FiberStacks {
 public:
  FiberStacks() = default;
  ~FiberStacks();
  FiberStacks(const FiberStacks&) = delete;
  FiberStacks& operator=(const FiberStacks&) = delete;

  // Makes `fiber` start entry() on stack `index` when it is resumed first. entry must not return.
  void prepare(size_t index, void (*entry)(), Fiber& fiber);

 private:
  std::vector<void*> stacks_;
};

}  // namespace da::cuda_emulation
