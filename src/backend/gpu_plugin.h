#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "base/version.h"
#include "device/gpu.h"

// GPUs are served by a plugin, a library of its own (libdeepanalyze-cuda.so), so that the program runs where no driver
// is.
namespace da::backend {

struct GpuOptions {
  int32_t device = 0;                 // index in the plugin's list
  int32_t n_threads = 0;              // that prepare weights at load; 0: the CPUs this process may use, up to 8
  int64_t step_deadline_ms = 60'000;  // a step that takes longer counts as a fault of the device
  // Makes a backend that allocates and computes nothing: whatever is made on it, device_bytes() is what it would take.
  bool count_only = false;
};

// What both sides must share, since what crosses the border is C++: the program's version, the compiler and the
// interface's number, to be raised with every change of backend.h, gpu_plugin.h and what those include.
inline std::string gpu_plugin_build() { return std::string(kVersion) + " interface 4, " + __VERSION__; }

// What a plugin offers.
struct GpuPlugin {
  std::string build;
  // Errors: kUnavailable, "no GPU: ..." in one line; kIo, the driver is there and fails. A GPU that cannot be described
  // or opened is listed with its `fault`.
  Result<std::vector<device::Gpu>> (*list)() = nullptr;
  Result<std::unique_ptr<Backend>> (*make)(const GpuOptions& options) = nullptr;
  // Gives back what listing and opening a GPU took of it. Nothing made on it may be left.
  Status (*release)(int32_t device) = nullptr;
};

// The name of the function a plugin exports: const GpuPlugin* ().
inline constexpr const char* kGpuPluginFunction = "deepanalyze_gpu_plugin";

struct GpuPluginSearch {
  bool disabled = false;           // OLLAMA_NO_CUDA
  std::vector<std::string> paths;  // tried in order; those that are no files are passed over

  // DEEPANALYZE_CUDA_PLUGIN, or beside this program and in ../lib/deepanalyze.
  static GpuPluginSearch from_environment();
  // The first that exists; "" if none does, or it is disabled.
  std::string found() const;
};

// Loads the plugin; it stays loaded. Error: kUnavailable, "no GPU: ..." in one line.
Result<const GpuPlugin*> load_gpu_plugin(const GpuPluginSearch& search);

}  // namespace da::backend
