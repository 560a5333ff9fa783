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
  // What is too much is given back: a huge page needs an address that is a multiple of its size.
  const uint64_t spare = size_bytes >= kHugePageBytes ? kHugePageBytes : 0;
  if (size_bytes + spare < size_bytes) return no_memory(what, size_bytes);
  void* address = mmap(nullptr, size_bytes + spare, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return no_memory(what, size_bytes);
  if (spare > 0) {
    auto* begin = static_cast<uint8_t*>(address);
    const uint64_t before = (kHugePageBytes - reinterpret_cast<uintptr_t>(begin) % kHugePageBytes) % kHugePageBytes;
    const uint64_t end = before + (size_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
    if (before > 0) munmap(begin, before);
    if (end < size_bytes + spare) munmap(begin + end, size_bytes + spare - end);
    address = begin + before;
  }
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

Result<std::span<uint8_t>> Arena::allocate(uint64_t size_bytes, const char* what) {
  constexpr uint64_t kChunkBytes = 64 << 20;
  if (chunks_.empty() || used_bytes_ + size_bytes > chunks_.back().size_bytes()) {
    DA_ASSIGN_OR_RETURN(Memory chunk, Memory::allocate(std::max(size_bytes, kChunkBytes), what));
    chunks_.push_back(std::move(chunk));
    used_bytes_ = 0;
  }
  const std::span<uint8_t> out(chunks_.back().data() + used_bytes_, size_bytes);
  used_bytes_ += (size_bytes + 63) / 64 * 64;
  return out;
}

}  // namespace da::backend::cpu
