// What the plugin exports.
#include "backend/cuda/cuda_backend.h"
#include "backend/gpu_plugin.h"

extern "C" __attribute__((visibility("default"))) const da::backend::GpuPlugin* deepanalyze_gpu_plugin() {
  using namespace da::backend;  // NOLINT(google-build-using-namespace)
  static const GpuPlugin plugin{.build = gpu_plugin_build(),
                                .list = cuda::list_gpus,
                                .make =
                                    [](const GpuOptions& options) {
                                      return cuda::make_cuda_backend({.device = options.device,
                                                                      .n_threads = options.n_threads,
                                                                      .step_deadline_ms = options.step_deadline_ms,
                                                                      .count_only = options.count_only});
                                    },
                                .release = cuda::release_gpu};
  return &plugin;
}
