#include "backend/cuda/kv_pool.h"

#include <cuda_runtime.h>

#include <string>

#include "backend/cuda/memory.h"
#include "backend/cuda/status.h"

namespace da::backend::cuda {
namespace {

constexpr unsigned kDriverVersion = 12000;  // the calls' form we were written for

uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

Status driver_status(CUresult result, const char* call) {
  if (result == CUDA_SUCCESS) return Status::ok();
  return {ErrorCode::kUnavailable, std::string("GPU: ") + call + ": error " + std::to_string(static_cast<int>(result))};
}

template <class Function>
Status find_function(const char* name, Function& function) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result{};
  DA_RETURN_IF_ERROR(
      cuda_status(cudaGetDriverEntryPointByVersion(name, &found, kDriverVersion, cudaEnableDefault, &result),
                  "cudaGetDriverEntryPoint"));
  if (result != cudaDriverEntryPointSuccess || found == nullptr)
    return {ErrorCode::kUnsupported, std::string("GPU: the driver has no ") + name};
  function = reinterpret_cast<Function>(found);
  return Status::ok();
}

// Of a token's key or value of one head; see KvSide.
int32_t row_bytes(KvType type, int32_t dim) {
  const int32_t n_blocks = (dim + 31) / 32;
  int32_t bytes = 0;
  switch (type) {
    case KvType::kF32:
      bytes = (dim + 7) / 8 * 32;
      break;
    case KvType::kF16:
    case KvType::kBF16:
      bytes = (dim + 7) / 8 * 16;
      break;
    case KvType::kQ8_0:
      bytes = n_blocks * (32 + 2);
      break;
    case KvType::kQ4_0:
      bytes = n_blocks * (16 + 2);
      break;
  }
  return (bytes + 15) / 16 * 16;
}

CUmemAllocationProp properties_of(int device) {
  CUmemAllocationProp properties = {};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  properties.location.id = device;
  return properties;
}

}  // namespace

Result<CudaKvPool::Driver> CudaKvPool::find_driver() {
  Driver driver;
  DA_RETURN_IF_ERROR(find_function("cuMemGetAllocationGranularity", driver.granularity));
  DA_RETURN_IF_ERROR(find_function("cuMemAddressReserve", driver.reserve));
  DA_RETURN_IF_ERROR(find_function("cuMemAddressFree", driver.free));
  DA_RETURN_IF_ERROR(find_function("cuMemCreate", driver.create));
  DA_RETURN_IF_ERROR(find_function("cuMemRelease", driver.release));
  DA_RETURN_IF_ERROR(find_function("cuMemMap", driver.map));
  DA_RETURN_IF_ERROR(find_function("cuMemUnmap", driver.unmap));
  DA_RETURN_IF_ERROR(find_function("cuMemSetAccess", driver.set_access));
  return driver;
}

CudaKvPool::~CudaKvPool() {
  if (ledger_ != nullptr) ledger_->of(MemoryKind::kKv) -= committed_bytes_;
  if (base_ == 0) return;
  (void)cudaSetDevice(device_);
  (void)cudaDeviceSynchronize();  // a kernel may still read the pages
  for (const Mapping& mapping : mappings_) (void)driver_.unmap(mapping.address, mapping.bytes);
  (void)driver_.free(base_, reserved_bytes_);
}

Result<std::unique_ptr<CudaKvPool>> CudaKvPool::make(int device, cudaStream_t stream, const KvSpec& spec,
                                                     Ledger& ledger) {
  auto pool = std::make_unique<CudaKvPool>();
  pool->device_ = device;
  pool->stream_ = stream;
  pool->ledger_ = &ledger;
  pool->spec = spec;
  DA_ASSIGN_OR_RETURN(pool->driver_, find_driver());
  uint64_t bytes = 0;
  for (const KvLayer& shape : spec.layers) {
    Layer layer{.key_row_bytes = row_bytes(spec.type.key, shape.key_dim),
                .value_row_bytes = row_bytes(spec.type.value, shape.value_dim)};
    const uint64_t rows = static_cast<uint64_t>(shape.n_kv_heads) * kPageTokens;
    layer.keys_offset_bytes = bytes;
    layer.values_offset_bytes = bytes + rows * static_cast<uint64_t>(layer.key_row_bytes);
    bytes = layer.values_offset_bytes + rows * static_cast<uint64_t>(layer.value_row_bytes);
    pool->layers_.push_back(layer);
  }
  pool->page_bytes = bytes;
  const CUmemAllocationProp properties = properties_of(device);
  size_t granularity = 0;
  DA_RETURN_IF_ERROR(
      driver_status(pool->driver_.granularity(&granularity, &properties, CU_MEM_ALLOC_GRANULARITY_MINIMUM),
                    "cuMemGetAllocationGranularity"));
  pool->granularity_bytes_ = granularity;
  pool->reserved_bytes_ = round_up(std::max<uint64_t>(1, bytes * static_cast<uint64_t>(spec.max_pages)), granularity);
  if (ledger.count_only) return pool;
  DA_RETURN_IF_ERROR(
      driver_status(pool->driver_.reserve(&pool->base_, pool->reserved_bytes_, 0, 0, 0), "cuMemAddressReserve"));
  return pool;
}

Status CudaKvPool::commit(uint64_t bytes) {
  if (ledger_->count_only) {
    committed_bytes_ += bytes;
    ledger_->of(MemoryKind::kKv) += bytes;
    return Status::ok();
  }
  const CUmemAllocationProp properties = properties_of(device_);
  CUmemGenericAllocationHandle handle = 0;
  const CUresult created = driver_.create(&handle, bytes, &properties, 0);
  if (created == CUDA_ERROR_OUT_OF_MEMORY) {
    return {ErrorCode::kResourceExhausted,
            "GPU: KV pages: " + std::to_string(bytes) + " bytes needed, " + free_memory_text()};
  }
  DA_RETURN_IF_ERROR(driver_status(created, "cuMemCreate"));
  const CUdeviceptr address = base_ + committed_bytes_;
  const Status mapped = driver_status(driver_.map(address, bytes, 0, handle, 0), "cuMemMap");
  // Mapped memory lives on; what could not be mapped goes.
  const Status released = driver_status(driver_.release(handle), "cuMemRelease");
  DA_RETURN_IF_ERROR(mapped);
  mappings_.push_back({address, bytes});
  DA_RETURN_IF_ERROR(released);
  CUmemAccessDesc access = {};
  access.location = properties.location;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  DA_RETURN_IF_ERROR(driver_status(driver_.set_access(address, bytes, &access, 1), "cuMemSetAccess"));
  committed_bytes_ += bytes;
  ledger_->of(MemoryKind::kKv) += bytes;
  return Status::ok();
}

Status CudaKvPool::grow(int32_t n_pages_wanted) {
  if (n_pages_wanted <= n_pages) return Status::ok();
  if (n_pages_wanted > spec.max_pages) {
    return {ErrorCode::kResourceExhausted, "KV pool: " + std::to_string(n_pages_wanted) + " pages wanted, at most " +
                                               std::to_string(spec.max_pages) + " reserved"};
  }
  DA_CUDA_RETURN_IF_ERROR(cudaSetDevice(device_));
  const uint64_t needed = round_up(page_bytes * static_cast<uint64_t>(n_pages_wanted), granularity_bytes_);
  if (needed > committed_bytes_) DA_RETURN_IF_ERROR(commit(needed - committed_bytes_));
  n_pages = n_pages_wanted;
  return Status::ok();
}

Status CudaKvPool::clear(int32_t page) {
  if (ledger_->count_only) return Status::ok();
  DA_CUDA_RETURN_IF_ERROR(cudaSetDevice(device_));
  void* begin = reinterpret_cast<void*>(base_ + page_bytes * static_cast<uint64_t>(page));
  DA_CUDA_RETURN_IF_ERROR(cudaMemsetAsync(begin, 0, page_bytes, stream_));
  return Status::ok();
}

KvArgs CudaKvPool::args(int32_t layer_idx) const {
  const Layer& layer = layers_[static_cast<size_t>(layer_idx)];
  const KvLayer& sizes = shape(layer_idx);
  const auto side = [this](uint64_t offset_bytes, int32_t dim, int32_t row_bytes, KvType type) {
    return KvSide{reinterpret_cast<uint8_t*>(base_ + offset_bytes), dim, row_bytes, static_cast<int32_t>(type), 0};
  };
  return {.keys = side(layer.keys_offset_bytes, sizes.key_dim, layer.key_row_bytes, spec.type.key),
          .values = side(layer.values_offset_bytes, sizes.value_dim, layer.value_row_bytes, spec.type.value),
          .page_bytes = static_cast<int64_t>(page_bytes),
          .n_kv_heads = sizes.n_kv_heads,
          .unused = 0};
}

}  // namespace da::backend::cuda
