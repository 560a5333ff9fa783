// Real GPUs, by the plugin as the program loads it.
#include <gtest/gtest.h>

#include "backend/gpu_plugin.h"
#include "model/cuda/devices.h"

namespace da::test {

void reset_gpus() {}
int32_t n_gpus() {
  const auto plugin = backend::load_gpu_plugin(backend::GpuPluginSearch::from_environment());
  const auto gpus = plugin.is_ok() ? (*plugin)->list() : plugin.status();
  return gpus.is_ok() ? static_cast<int32_t>(gpus->size()) : 1;
}
std::unique_ptr<backend::Backend> make_gpu(int32_t device) {
  const auto plugin = backend::load_gpu_plugin(backend::GpuPluginSearch::from_environment());
  if (!plugin.is_ok()) {
    ADD_FAILURE() << plugin.status().message();
    return nullptr;
  }
  auto made = (*plugin)->make({.device = device % n_gpus()});
  EXPECT_TRUE(made.is_ok()) << made.status().message();
  return made.is_ok() ? std::move(*made) : nullptr;
}
std::string last_fault() { return ""; }
Counts counts() { return {}; }

}  // namespace da::test
