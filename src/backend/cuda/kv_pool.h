#pragma once

#include <cuda.h>

#include <vector>

#include "backend/backend.h"
#include "backend/cuda/arguments.h"
#include "backend/cuda/memory.h"

namespace da::backend::cuda {

// Keys and values in pages on one device. A page, layer after layer: keys [n_kv_heads][kPageTokens] rows, then values
// likewise (KvSide says what a row is). The address space of all
// pages is reserved at once; memory is created and mapped behind it as grow() asks, in steps of the device's
// granularity, so that pages never move.
class CudaKvPool : public KvPool {
 public:
  ~CudaKvPool() override;
  // Booked in `ledger`, which must live longer. `stream`: what writes and reads the pages.
  static Result<std::unique_ptr<CudaKvPool>> make(int device, cudaStream_t stream, const KvSpec& spec, Ledger& ledger);
  Status grow(int32_t n_pages_wanted) override;
  Status clear(int32_t page) override;

  KvArgs args(int32_t layer_idx) const;
  const KvLayer& shape(int32_t layer_idx) const { return spec.layers[static_cast<size_t>(layer_idx)]; }
  uint64_t committed_bytes() const { return committed_bytes_; }

 private:
  struct Layer {
    int32_t key_row_bytes, value_row_bytes;
    uint64_t keys_offset_bytes, values_offset_bytes;
  };
  // The driver's calls, which the runtime library hands out by name.
  struct Driver {
    decltype(&cuMemGetAllocationGranularity) granularity = nullptr;
    decltype(&cuMemAddressReserve) reserve = nullptr;
    decltype(&cuMemAddressFree) free = nullptr;
    decltype(&cuMemCreate) create = nullptr;
    decltype(&cuMemRelease) release = nullptr;
    decltype(&cuMemMap) map = nullptr;
    decltype(&cuMemUnmap) unmap = nullptr;
    decltype(&cuMemSetAccess) set_access = nullptr;
  };
  struct Mapping {
    CUdeviceptr address;
    uint64_t bytes;
  };

  static Result<Driver> find_driver();
  Status commit(uint64_t bytes);

  int device_ = 0;
  cudaStream_t stream_ = nullptr;
  Ledger* ledger_ = nullptr;
  Driver driver_;
  std::vector<Layer> layers_;
  CUdeviceptr base_ = 0;
  uint64_t reserved_bytes_ = 0, committed_bytes_ = 0, granularity_bytes_ = 0;
  std::vector<Mapping> mappings_;
};

}  // namespace da::backend::cuda
