#include "backend/cpu/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <string>

namespace da::backend::cpu {
namespace {

constexpr uint64_t kHugePageBytes = 2 << 20;
constexpr uint64_t kPageBytes = 4096;

Status no_memory(const char* what, uint64_t size_bytes) {
  return {ErrorCode::kResourceExhausted,
          std::string(what) + ": the system refused " + std::to_string(size_bytes) + " bytes"};
}

}  // namespace

Memory::~Memory() {
  if (address_ != nullptr) munmap(address_, size_bytes_);
}

Result<Memory> Memory::allocate(uint64_t size_bytes, const char* what) {
  DA_ASSIGN_OR_RETURN(Memory memory, reserve(size_bytes, what));
  DA_RETURN_IF_ERROR(memory.commit(0, size_bytes, what));
  return memory;
}

Result<Memory> Memory::reserve(uint64_t size_bytes, const char* what) {
  size_bytes = std::max(size_bytes, kPageBytes);
  void* address = mmap(nullptr, size_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return no_memory(what, size_bytes);
  Memory memory;
  memory.address_ = address;
  memory.size_bytes_ = size_bytes;
  return memory;
}

Status Memory::commit(uint64_t begin_bytes, uint64_t end_bytes, const char* what) {
  begin_bytes = begin_bytes / kPageBytes * kPageBytes;
  end_bytes = std::min((end_bytes + kPageBytes - 1) / kPageBytes * kPageBytes,
                       (size_bytes_ + kPageBytes - 1) / kPageBytes * kPageBytes);
  if (end_bytes <= begin_bytes) return Status::ok();
  if (mprotect(data() + begin_bytes, end_bytes - begin_bytes, PROT_READ | PROT_WRITE) != 0)
    return no_memory(what, end_bytes - begin_bytes);
  // Advice only: without huge pages everything works, slower.
  if (end_bytes - begin_bytes >= kHugePageBytes) madvise(data() + begin_bytes, end_bytes - begin_bytes, MADV_HUGEPAGE);
  return Status::ok();
}

}  // namespace da::backend::cpu
