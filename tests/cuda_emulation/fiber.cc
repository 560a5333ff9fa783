#include "cuda_emulation/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>

#include <memory>
#endif

namespace da::cuda_emulation {
namespace {

constexpr size_t kPageBytes = 4096;
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStackBytes = 256 * 1024;
#else
constexpr size_t kStackBytes = 64 * 1024;
#endif

}  // namespace

#if defined(__x86_64__)

// The registers a called function must keep, and the stack pointer; the rest of a context the compiler saves itself.
// Arguments: where to keep this flow's stack pointer, the stack pointer to go on with.
extern "C" void da_emulation_switch(void** from, void* to);
asm(R"(
.text
.globl da_emulation_switch
.hidden da_emulation_switch
.type da_emulation_switch, @function
da_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size da_emulation_switch, .-da_emulation_switch
)");

void switch_fiber(Fiber& from, const Fiber& to) { da_emulation_switch(&from.stack_pointer, to.stack_pointer); }

namespace {

void make_context(void* stack, void (*entry)(), Fiber& fiber) {
  auto* top = reinterpret_cast<void**>(static_cast<char*>(stack) + kStackBytes);
  // As a call leaves it: the stack pointer is 8 above a multiple of 16 when entry's first instruction runs.
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber.stack_pointer = top;
}

}  // namespace

#else

// Elsewhere the C library's contexts do; they cost a system call a switch.
void switch_fiber(Fiber& from, const Fiber& to) {
  if (from.stack_pointer == nullptr) from.stack_pointer = new ucontext_t();
  swapcontext(static_cast<ucontext_t*>(from.stack_pointer), static_cast<const ucontext_t*>(to.stack_pointer));
}

namespace {

void make_context(void* stack, void (*entry)(), Fiber& fiber) {
  if (fiber.stack_pointer == nullptr) fiber.stack_pointer = new ucontext_t();
  auto* context = static_cast<ucontext_t*>(fiber.stack_pointer);
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = kStackBytes;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
}

}  // namespace

#endif

FiberStacks::~FiberStacks() {
  for (void* stack : stacks_) munmap(static_cast<char*>(stack) - kPageBytes, kStackBytes + kPageBytes);
}

void FiberStacks::prepare(size_t index, void (*entry)(), Fiber& fiber) {
  while (stacks_.size() <= index) {
    void* memory = mmap(nullptr, kStackBytes + kPageBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, kPageBytes, PROT_NONE) != 0) std::abort();
    stacks_.push_back(static_cast<char*>(memory) + kPageBytes);
  }
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stacks_[index], kStackBytes);  // what a dropped fiber's frames left
#endif
  make_context(stacks_[index], entry, fiber);
}

}  // namespace da::cuda_emulation
