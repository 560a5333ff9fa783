#include "placement/gpus.h"

#include <cstdlib>
#include <utility>

namespace da::placement {

uint64_t gpu_overhead_bytes() {
  const char* text = std::getenv("OLLAMA_GPU_OVERHEAD");
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

Gpus open_gpus(const backend::GpuPluginSearch& search, const GpuWishes& wishes) {
  Gpus gpus;
  gpus.step_deadline_ms = wishes.step_deadline_ms;
  const auto plugin = backend::load_gpu_plugin(search);
  if (!plugin.is_ok()) {
    gpus.none = plugin.status().message();
    return gpus;
  }
  gpus.plugin = *plugin;
  auto found = gpus.plugin->list();
  if (!found.is_ok()) {
    gpus.none = found.status().message();
    if (found.code() != ErrorCode::kUnavailable) gpus.fault = {ErrorCode::kUnavailable, gpus.none};
    return gpus;
  }
  for (device::Gpu& gpu : *found) {
    backend::GpuOptions options{.device = gpu.index, .n_threads = wishes.n_threads};
    if (wishes.step_deadline_ms > 0) options.step_deadline_ms = wishes.step_deadline_ms;
    auto backend = gpus.plugin->make(options);
    if (backend.is_ok()) {
      gpus.open.push_back({std::move(gpu), std::move(*backend)});
      continue;
    }
    // One too old for this program is as good as none.
    if (backend.code() != ErrorCode::kUnsupported && gpus.fault.is_ok()) gpus.fault = backend.status();
    gpus.unusable.push_back({std::move(gpu), backend.status()});
  }
  if (!gpus.open.empty()) gpus.fault = Status::ok();
  if (gpus.open.empty()) gpus.none = "no GPU: none can be used";
  return gpus;
}

std::vector<UnusableGpu> find_faults(Gpus& gpus) {
  std::vector<UnusableGpu> faults;
  for (const OpenGpu& open : gpus.open) {
    // Opening tries the device; what a fault has made unusable does not open again in this process.
    const auto again = gpus.plugin->make({.device = open.gpu.index, .n_threads = 1, .step_deadline_ms = 10'000});
    if (again.code() == ErrorCode::kUnavailable) faults.push_back({open.gpu, again.status()});
  }
  return faults;
}

}  // namespace da::placement
