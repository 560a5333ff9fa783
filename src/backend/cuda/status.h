#pragma once

#include <cuda_runtime.h>

#include <string>

#include "base/result.h"

namespace da::backend::cuda {

// The runtime's error as ours: memory short is kResourceExhausted, everything else (a fault, a lost device) means that
// the device cannot be used any more in this process: kUnavailable.
inline Status cuda_status(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return Status::ok();
  const ErrorCode code = error == cudaErrorMemoryAllocation ? ErrorCode::kResourceExhausted : ErrorCode::kUnavailable;
  return {code, std::string("GPU: ") + call + ": " + cudaGetErrorName(error) + " (" + cudaGetErrorString(error) + ")"};
}

}  // namespace da::backend::cuda

#define DA_CUDA_STATUS(call) ::da::backend::cuda::cuda_status((call), #call)
#define DA_CUDA_RETURN_IF_ERROR(call) DA_RETURN_IF_ERROR(DA_CUDA_STATUS(call))
