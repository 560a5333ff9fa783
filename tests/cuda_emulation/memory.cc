#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "cuda_emulation/state.h"

namespace da::cuda_emulation {
namespace {

// Fresh device memory holds this: NaNs and -1s.
constexpr int kPoison = 0xFF;
constexpr size_t kGranularity = 2 << 20;

bool fits(Device& device, size_t bytes) { return device.used + device.occupied + bytes <= device.options.memory_bytes; }

// Not a byte more than was asked for: AddressSanitizer sees what reads past the end.
void* allocate_exactly(size_t bytes) {
  void* memory = nullptr;
  return posix_memalign(&memory, 256, std::max<size_t>(bytes, 1)) == 0 ? memory : nullptr;
}

}  // namespace

const Allocation* find_allocation(const void* address, size_t bytes) {
  State& s = state();
  const auto begin = reinterpret_cast<uintptr_t>(address);
  auto found = s.allocations.upper_bound(begin);
  if (found == s.allocations.begin()) return nullptr;
  --found;
  return begin + bytes <= found->first + found->second.bytes ? &found->second : nullptr;
}

}  // namespace da::cuda_emulation

using namespace da::cuda_emulation;  // NOLINT(google-build-using-namespace)

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (const cudaError_t error = usable(current_device()); error != cudaSuccess) return result(error);
  Device& device = s.devices[static_cast<size_t>(current_device())];
  if (refuses_allocation() || !fits(device, bytes)) return result(cudaErrorMemoryAllocation);
  *pointer = allocate_exactly(bytes);
  if (*pointer == nullptr) return result(cudaErrorMemoryAllocation);
  std::memset(*pointer, kPoison, bytes);
  device.used += bytes;
  s.allocations[reinterpret_cast<uintptr_t>(*pointer)] = {current_device(), bytes};
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const auto found = s.allocations.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == s.allocations.end() || found->second.device < 0) return result(cudaErrorInvalidValue);
  const Allocation allocation = found->second;
  const cudaError_t error = drain_device(allocation.device);
  s.devices[static_cast<size_t>(allocation.device)].used -= allocation.bytes;
  s.allocations.erase(found);
  std::free(pointer);
  return result(error);
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (const cudaError_t error = usable(current_device()); error != cudaSuccess) return result(error);
  if (refuses_allocation()) return result(cudaErrorMemoryAllocation);
  *pointer = allocate_exactly(bytes);
  if (*pointer == nullptr) return result(cudaErrorMemoryAllocation);
  std::memset(*pointer, kPoison, bytes);
  s.allocations[reinterpret_cast<uintptr_t>(*pointer)] = {-1, bytes};
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const auto found = s.allocations.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == s.allocations.end() || found->second.device >= 0) return result(cudaErrorInvalidValue);
  for (const auto& stream : s.streams) (void)drain(*stream);
  s.allocations.erase(found);
  std::free(pointer);
  return cudaSuccess;
}

// Stricter than the real one: host memory must be pinned, or the copy would not be asynchronous.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (bytes == 0) return cudaSuccess;
  const Allocation *target = find_allocation(to, bytes), *source = find_allocation(from, bytes);
  if (target == nullptr || source == nullptr) return result(cudaErrorInvalidValue);
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind != cudaMemcpyDefault && ((target->device >= 0) != to_device || (source->device >= 0) != from_device))
    return result(cudaErrorInvalidValue);
  const int device = stream->device;
  if ((target->device >= 0 && target->device != device) || (source->device >= 0 && source->device != device))
    return result(cudaErrorInvalidValue);
  return result(enqueue(stream, [to, from, bytes, to_device, from_device] {
    std::memcpy(to, from, bytes);
    if (state().corrupt_uploads && to_device && !from_device && bytes > 1024)
      static_cast<unsigned char*>(to)[bytes / 2] ^= 0x40;
    return cudaSuccess;
  }));
}

cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, size_t bytes,
                                cudaStream_t stream) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (bytes == 0) return cudaSuccess;
  const Allocation *target = find_allocation(to, bytes), *source = find_allocation(from, bytes);
  if (target == nullptr || source == nullptr || target->device != to_device || source->device != from_device)
    return result(cudaErrorInvalidValue);
  return result(enqueue(stream, [to, from, bytes] {
    std::memcpy(to, from, bytes);
    if (state().corrupt_peer_copies) static_cast<unsigned char*>(to)[bytes / 2] ^= 0x40;
    return cudaSuccess;
  }));
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const Allocation* target = find_allocation(to, bytes);
  if (target == nullptr || target->device != stream->device) return result(cudaErrorInvalidValue);
  return result(enqueue(stream, [to, value, bytes] {
    std::memset(to, value, bytes);
    return cudaSuccess;
  }));
}

// --- virtual memory
// ----------------------------------------------------------------------------------------------------

CUresult cuMemGetAllocationGranularity(size_t* granularity, const CUmemAllocationProp*,
                                       CUmemAllocationGranularity_flags) {
  *granularity = kGranularity;
  return CUDA_SUCCESS;
}

CUresult cuMemAddressReserve(CUdeviceptr* address, size_t bytes, size_t, CUdeviceptr, unsigned long long) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (bytes == 0 || bytes % kGranularity != 0) return CUDA_ERROR_INVALID_VALUE;
  void* memory = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = reinterpret_cast<CUdeviceptr>(memory);
  s.reserved[*address] = bytes;
  return CUDA_SUCCESS;
}

CUresult cuMemAddressFree(CUdeviceptr address, size_t bytes) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const auto found = s.reserved.find(address);
  if (found == s.reserved.end() || found->second != bytes) return CUDA_ERROR_INVALID_VALUE;
  const auto mapped = s.mapped.lower_bound(address);
  if (mapped != s.mapped.end() && mapped->first < address + bytes) return CUDA_ERROR_INVALID_VALUE;
  munmap(reinterpret_cast<void*>(address), bytes);
  s.reserved.erase(found);
  return CUDA_SUCCESS;
}

CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, size_t bytes, const CUmemAllocationProp* properties,
                     unsigned long long) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (bytes == 0 || bytes % kGranularity != 0) return CUDA_ERROR_INVALID_VALUE;
  if (usable(properties->location.id) != cudaSuccess) return CUDA_ERROR_DEVICE_UNAVAILABLE;
  Device& device = s.devices[static_cast<size_t>(properties->location.id)];
  if (refuses_allocation() || !fits(device, bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
  device.used += bytes;
  *handle = s.next_handle++;
  s.physical[*handle] = {.device = properties->location.id, .bytes = bytes};
  return CUDA_SUCCESS;
}

namespace {
// Physical memory goes when it is released and no longer mapped.
void settle(State& s, CUmemGenericAllocationHandle handle) {
  const auto found = s.physical.find(handle);
  if (!found->second.released || found->second.mapped) return;
  s.devices[static_cast<size_t>(found->second.device)].used -= found->second.bytes;
  s.physical.erase(found);
}
}  // namespace

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const auto found = s.physical.find(handle);
  if (found == s.physical.end() || found->second.released) return CUDA_ERROR_INVALID_VALUE;
  found->second.released = true;
  settle(s, handle);
  return CUDA_SUCCESS;
}

CUresult cuMemMap(CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const auto found = s.physical.find(handle);
  if (found == s.physical.end() || found->second.bytes != bytes || offset != 0 || found->second.mapped)
    return CUDA_ERROR_INVALID_VALUE;
  auto area = s.reserved.upper_bound(address);
  if (area == s.reserved.begin()) return CUDA_ERROR_INVALID_VALUE;
  --area;
  if (address + bytes > area->first + area->second) return CUDA_ERROR_INVALID_VALUE;
  found->second.mapped = true;
  s.mapped[address] = handle;
  return CUDA_SUCCESS;
}

CUresult cuMemUnmap(CUdeviceptr address, size_t bytes) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const auto found = s.mapped.find(address);
  if (found == s.mapped.end() || s.physical[found->second].bytes != bytes) return CUDA_ERROR_INVALID_VALUE;
  const CUmemGenericAllocationHandle handle = found->second;
  (void)drain_device(s.physical[handle].device);
  mprotect(reinterpret_cast<void*>(address), bytes, PROT_NONE);
  madvise(reinterpret_cast<void*>(address), bytes, MADV_DONTNEED);
  s.allocations.erase(static_cast<uintptr_t>(address));
  s.mapped.erase(found);
  s.physical[handle].mapped = false;
  settle(s, handle);
  return CUDA_SUCCESS;
}

CUresult cuMemSetAccess(CUdeviceptr address, size_t bytes, const CUmemAccessDesc* access, size_t) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const auto found = s.mapped.find(address);
  if (found == s.mapped.end() || s.physical[found->second].bytes != bytes) return CUDA_ERROR_INVALID_VALUE;
  if (mprotect(reinterpret_cast<void*>(address), bytes, PROT_READ | PROT_WRITE) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
  std::memset(reinterpret_cast<void*>(address), kPoison, bytes);
  s.allocations[static_cast<uintptr_t>(address)] = {access->location.id, bytes};
  return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  static const std::map<std::string, void*> kFunctions = {
      {"cuMemGetAllocationGranularity", reinterpret_cast<void*>(cuMemGetAllocationGranularity)},
      {"cuMemAddressReserve", reinterpret_cast<void*>(cuMemAddressReserve)},
      {"cuMemAddressFree", reinterpret_cast<void*>(cuMemAddressFree)},
      {"cuMemCreate", reinterpret_cast<void*>(cuMemCreate)},
      {"cuMemRelease", reinterpret_cast<void*>(cuMemRelease)},
      {"cuMemMap", reinterpret_cast<void*>(cuMemMap)},
      {"cuMemUnmap", reinterpret_cast<void*>(cuMemUnmap)},
      {"cuMemSetAccess", reinterpret_cast<void*>(cuMemSetAccess)},
  };
  const auto entry = kFunctions.find(symbol);
  *function = entry == kFunctions.end() ? nullptr : entry->second;
  *found = *function == nullptr ? cudaDriverEntryPointSymbolNotFound : cudaDriverEntryPointSuccess;
  return cudaSuccess;
}
