// What GPUs there are.
#include <cuda_runtime.h>

#include <cstdio>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/status.h"

namespace da::backend::cuda {
namespace {

std::string uuid_text(const cudaUUID_t& uuid) {
  std::string text = "GPU-";
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", static_cast<unsigned char>(uuid.bytes[i]));
    text += hex;
  }
  return text;
}

}  // namespace

Result<int32_t> count_gpus() {
  int count = 0;
  switch (const cudaError_t error = cudaGetDeviceCount(&count)) {
    case cudaSuccess:
      return count;
    case cudaErrorNoDevice:
      return {ErrorCode::kUnavailable, "no GPU: the driver shows none"};
    case cudaErrorInsufficientDriver:
      return {ErrorCode::kUnavailable, "no GPU: no NVIDIA driver, or one older than CUDA 13 asks for"};
    case cudaErrorSystemDriverMismatch:
      return {ErrorCode::kUnavailable,
              "no GPU: the NVIDIA driver's parts are of different versions (a restart after an update is due)"};
    default:
      // After a suspend, a lost device node, a driver that hangs: there may well be GPUs.
      return {ErrorCode::kIo, "the GPU driver fails: " + cuda_status(error, "cudaGetDeviceCount").message()};
  }
}

Result<device::Gpu> describe_gpu(int32_t index) {
  int driver_version = 0;
  DA_CUDA_RETURN_IF_ERROR(cudaDriverGetVersion(&driver_version));
  cudaDeviceProp properties;
  DA_CUDA_RETURN_IF_ERROR(cudaGetDeviceProperties(&properties, index));
  device::Gpu gpu;
  gpu.index = index;
  gpu.name = properties.name;
  gpu.uuid = uuid_text(properties.uuid);
  gpu.compute_major = properties.major;
  gpu.compute_minor = properties.minor;
  gpu.memory_total_bytes = properties.totalGlobalMem;
  gpu.driver_version = driver_version;
  char pci[32];
  std::snprintf(pci, sizeof pci, "%04x:%02x:%02x.0", static_cast<unsigned>(properties.pciDomainID),
                static_cast<unsigned>(properties.pciBusID), static_cast<unsigned>(properties.pciDeviceID));
  gpu.pci_address = pci;
  return gpu;
}

Result<std::vector<device::Gpu>> list_gpus() {
  DA_ASSIGN_OR_RETURN(const int32_t count, count_gpus());
  std::vector<device::Gpu> gpus;
  for (int32_t i = 0; i < count; ++i) {
    auto described = describe_gpu(i);
    device::Gpu gpu =
        described.is_ok() ? std::move(*described) : device::Gpu{.index = i, .name = "GPU " + std::to_string(i)};
    gpu.fault = described.status().message();
    // Asking for free memory opens the device.
    size_t free_bytes = 0, total_bytes = 0;
    const auto ask = [&]() -> Status {
      DA_CUDA_RETURN_IF_ERROR(cudaSetDevice(i));
      return DA_CUDA_STATUS(cudaMemGetInfo(&free_bytes, &total_bytes));
    };
    if (gpu.fault.empty()) gpu.fault = ask().message();
    gpu.memory_free_bytes = free_bytes;
    for (int32_t other = 0; other < count && gpu.fault.empty(); ++other) {
      int can = 0;
      if (other != i && cudaDeviceCanAccessPeer(&can, i, other) == cudaSuccess && can != 0) gpu.peers.push_back(other);
    }
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

Status release_gpu(int32_t device) {
  DA_CUDA_RETURN_IF_ERROR(cudaSetDevice(device));
  return DA_CUDA_STATUS(cudaDeviceReset());
}

}  // namespace da::backend::cuda
