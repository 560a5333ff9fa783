// The plugin as the program loads it: from a file, at run time; here the one on the emulated runtime.
#include <gtest/gtest.h>

#include <cstdlib>

#include "backend/gpu_plugin.h"
#include "backend/support.h"

namespace da::backend {
namespace {

TEST(GpuPlugin, ListsAndOpensGpus) {
  setenv("DEEPANALYZE_EMULATED_GPUS", "2x128", 1);
  const auto plugin = load_gpu_plugin({.paths = {"/nowhere/plugin.so", EMULATED_PLUGIN}});
  ASSERT_TRUE(plugin.is_ok()) << plugin.status().message();
  const auto gpus = (*plugin)->list();
  ASSERT_TRUE(gpus.is_ok()) << gpus.status().message();
  ASSERT_EQ(gpus->size(), 2U);
  EXPECT_EQ((*gpus)[1].name, "Emulated GPU 2");
  EXPECT_EQ((*gpus)[1].memory_total_bytes, 128U << 20);
  EXPECT_EQ((*gpus)[1].memory_free_bytes, 128U << 20);

  const auto backend = (*plugin)->make({.device = 1, .n_threads = 1});
  ASSERT_TRUE(backend.is_ok()) << backend.status().message();
  EXPECT_EQ((*backend)->description(), "GPU 1 Emulated GPU 2, 128 MiB");
  const auto values = cpu::test::random_floats(60, 1);
  const auto rows = std::move((*backend)->make_activation(20, 3, {})).value();
  ASSERT_TRUE((*backend)->write_rows({values.data(), 3, 20, 20}, *rows).is_ok());
  (*backend)->scale(0.5F, *rows);
  // Rows cross the border between the program's own backend and the plugin's.
  auto cpu = std::move(make_cpu_backend({.n_threads = 1})).value();
  const auto here = std::move(cpu->make_activation(20, 3, {})).value();
  ASSERT_TRUE(cpu->receive(**backend, *rows, *here).is_ok());
  EXPECT_EQ(cpu->read_rows(*here)->row(2)[7], 0.5F * values[47]);
  EXPECT_EQ((*plugin)->make({.device = 2}).code(), ErrorCode::kInvalidArgument);
}

TEST(GpuPlugin, WithoutOneThereIsOneLine) {
  const auto message = [](const GpuPluginSearch& search) {
    const auto plugin = load_gpu_plugin(search);
    EXPECT_EQ(plugin.code(), ErrorCode::kUnavailable);
    return plugin.status().message();
  };
  EXPECT_EQ(message({.disabled = true, .paths = {EMULATED_PLUGIN}}), "no GPU: OLLAMA_NO_CUDA is set");
  EXPECT_EQ(message({.paths = {"/nowhere/plugin.so"}}), "no GPU: this installation has no plugin for GPUs");
  EXPECT_NE(message({.paths = {__FILE__}}).find("cannot be loaded"), std::string::npos);
}

TEST(GpuPlugin, TheEnvironmentChooses) {
  setenv("DEEPANALYZE_CUDA_PLUGIN", "/some/plugin.so", 1);
  setenv("OLLAMA_NO_CUDA", "1", 1);
  GpuPluginSearch search = GpuPluginSearch::from_environment();
  EXPECT_TRUE(search.disabled);
  EXPECT_EQ(search.paths, std::vector<std::string>{"/some/plugin.so"});
  unsetenv("DEEPANALYZE_CUDA_PLUGIN");
  setenv("OLLAMA_NO_CUDA", "0", 1);
  search = GpuPluginSearch::from_environment();
  EXPECT_FALSE(search.disabled);
  ASSERT_EQ(search.paths.size(), 2U);
  EXPECT_NE(search.paths[0].find("/libdeepanalyze-cuda.so"), std::string::npos);
  unsetenv("OLLAMA_NO_CUDA");
}

}  // namespace
}  // namespace da::backend
