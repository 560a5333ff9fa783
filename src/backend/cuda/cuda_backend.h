#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "device/gpu.h"

// The operations on an NVIDIA GPU. Beside what backend.h promises:
//  - Up to 8 rows are multiplied by other kernels than more are, and attention is split over blocks of threads by how
//  long
//    the sequences are: a row's result may differ in its last bits with the company it runs in (other summation orders
//    of the same float32 terms; the integer sums are exact). The tests hold both to one computed tolerance.
//  - F16 and BF16 products of many rows round the activations to 11 significant bits (tf32), as those of 8-bit weights
//    round them to 8 bits for 32 values.
//  - read_rows of an activation that was not announced (reserve_reading) takes host memory when it is first read.
//  - A fault (a kernel that accesses what it may not or does not end in time, a device that is gone) makes every later
//    call fail with kUnavailable; the process must be replaced, nothing falls back to the CPU.
namespace da::backend::cuda {

struct CudaOptions {
  int32_t device = 0;
  int32_t n_threads = 0;  // that pack weights at load; 0: the CPUs this process may use, up to 8
  bool graphs = true;     // replay decode steps as CUDA graphs
  int64_t step_deadline_ms = 60'000;
  bool count_only = false;  // see GpuOptions
};

// The GPUs the driver shows this process (CUDA_VISIBLE_DEVICES is the driver's own doing). Errors: kUnavailable in one
// line: no driver, too old a one, no device; kIo: the driver is there and fails. One that cannot be described or opened
// is listed with its fault.
Result<std::vector<device::Gpu>> list_gpus();
// One of them, without opening it: its free memory is not known.
Result<device::Gpu> describe_gpu(int32_t index);
Result<int32_t> count_gpus();  // at least 1

// Ends this process's context on a device, and what the driver took for it. Nothing made there may be left.
Status release_gpu(int32_t device);

// Opens a device, and tries it: copies there and back and a product whose result is known must come out right (a device
// that computes wrongly is worse than none). Errors: kUnavailable, kResourceExhausted, kUnsupported (too old a device).
Result<std::unique_ptr<Backend>> make_cuda_backend(const CudaOptions& options);

}  // namespace da::backend::cuda
