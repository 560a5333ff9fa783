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
    gpus.warnings.push_back(backend.status().message());
    // One too old for this program is as good as none.
    if (backend.code() != ErrorCode::kUnsupported && gpus.fault.is_ok()) gpus.fault = backend.status();
  }
  if (!gpus.open.empty()) gpus.fault = Status::ok();
  if (gpus.open.empty()) gpus.none = "no GPU: none can be used";
  return gpus;
}

}  // namespace da::placement
