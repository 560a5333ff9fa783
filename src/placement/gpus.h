#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/device_backend.h"
#include "backend/gpu_plugin.h"

namespace da::placement {

// A GPU that was opened and tried: its driver, context and first kernels have done their work once.
struct OpenGpu {
  device::Gpu gpu;
  std::unique_ptr<backend::Backend> backend;  // for the first load; null once that has taken it
};

// One that is there and cannot be used.
struct UnusableGpu {
  device::Gpu gpu;
  Status why;
};

// A GPU that a load looked at.
struct PlannedGpu {
  device::Gpu gpu;                                  // memory_free_bytes: before the load
  const backend::DeviceBackend* backend = nullptr;  // the stages' own, as long as they live; null: no layer is there
};

// The GPUs of this process.
struct Gpus {
  const backend::GpuPlugin* plugin = nullptr;
  std::vector<OpenGpu> open;
  int64_t step_deadline_ms = 0;
  std::string none;  // why there are none, in one line
  std::vector<UnusableGpu> unusable;
  // kUnavailable: there are GPUs and not one of them can be opened, or the driver fails. That is a fault, not a machine
  // without GPUs.
  Status fault;
};

struct GpuWishes {
  int32_t n_threads = 0;         // that prepare weights; 0: see GpuOptions
  int64_t step_deadline_ms = 0;  // 0: the plugin's own
};

// OLLAMA_GPU_OVERHEAD: bytes of each GPU to be kept free beyond what is always.
uint64_t gpu_overhead_bytes();

// Of those that were open: which cannot be used any more. For after a load that failed.
std::vector<UnusableGpu> find_faults(Gpus& gpus);

// Loads the plugin, which may start threads, and opens all GPUs the driver shows.
Gpus open_gpus(const backend::GpuPluginSearch& search, const GpuWishes& wishes);

}  // namespace da::placement
