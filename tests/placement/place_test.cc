// Plans on emulated GPUs: what is counted is what is taken, byte for byte.
#include "placement/place.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "backend/cuda/cuda_backend.h"
#include "cuda_emulation/emulation.h"
#include "model/model.h"
#include "support/golden.h"

namespace da::placement {
namespace {

namespace emulation = cuda_emulation;
using nlohmann::json;

const backend::GpuPlugin& plugin() {
  static const backend::GpuPlugin instance{
      .build = backend::gpu_plugin_build(),
      .list = backend::cuda::list_gpus,
      .make =
          [](const backend::GpuOptions& options) {
            return backend::cuda::make_cuda_backend(
                {.device = options.device, .n_threads = 1, .count_only = options.count_only});
          },
      .release = backend::cuda::release_gpu};
  return instance;
}

Gpus open_all() {
  Gpus gpus;
  gpus.plugin = &plugin();
  const auto found = plugin().list();
  for (const device::Gpu& gpu : *found)
    gpus.open.push_back({gpu, std::move(plugin().make({.device = gpu.index})).value()});
  return gpus;
}

std::shared_ptr<const gguf::File> open(const std::string& path) {
  return std::move(gguf::File::open(test::golden_path(path))).value();
}

const model::MeterOptions kMeter{
    .max_rows = 48, .max_logit_rows = 4, .whole_text_rows = 64, .max_pages = 40, .n_pages = 40};

class CountedBytes : public testing::TestWithParam<std::string> {};

TEST_P(CountedBytes, AreTheBytesTaken) {
  const json index = json::parse(test::golden_bytes("models/index.json"));
  std::string path;
  for (const json& entry : index["models"]) {
    if (entry["name"] == GetParam()) path = entry["file"];
  }
  ASSERT_NE(path, "");
  emulation::configure({.devices = std::vector<emulation::DeviceOptions>(2)});
  const auto file = open(path);
  Gpus gpus = open_all();
  // Half of the layers on each of two GPUs, as far as the model can be cut.
  const auto meter = model::StageMeter::open(*file);
  ASSERT_TRUE(meter.is_ok()) << meter.status().message();
  for (const int32_t gpu_layers : {-1, 1}) {
    auto placed = place(
        *file, &gpus,
        {.wishes = {.gpu_layers = gpu_layers, .reserve_bytes = 1 << 20}, .meter = kMeter, .cpu = {.n_threads = 1}});
    ASSERT_TRUE(placed.is_ok()) << placed.status().message();
    if (placed->n_gpu_layers == 0) continue;  // its first layer cannot stand alone
    auto model = model::Model::load(file, std::move(placed->stages), {});
    ASSERT_TRUE(model.is_ok()) << model.status().message();
    const bool whole = !(*model)->hyper().causal;
    ASSERT_TRUE((*model)->reserve(whole ? kMeter.whole_text_rows : kMeter.max_rows, kMeter.max_logit_rows).is_ok());
    auto kv =
        (*model)->make_kv_cache(whole ? backend::KvTypes(backend::KvType::kF32) : kMeter.kv_type, kMeter.max_pages);
    ASSERT_TRUE(kv.is_ok());
    ASSERT_TRUE((*kv)->grow(kMeter.n_pages).is_ok());
    EXPECT_EQ((*model)->device_bytes(), placed->gpu_bytes) << placed->why;
    // The emulated device gives bytes, not pages: what it has given is within what was booked.
    EXPECT_LE(emulation::used_bytes(0) + emulation::used_bytes(1), placed->gpu_bytes);
    EXPECT_GE(placed->max_pages, kMeter.n_pages);
  }
  EXPECT_EQ(emulation::used_bytes(0) + emulation::used_bytes(1), 0U) << "all of it was given back";
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Models, CountedBytes,
                         testing::Values("llama", "llama-moe", "qwen2moe", "gemma2", "gemma3", "gemma4", "phi3",
                                         "gpt-oss", "deepseek2", "deepseek2-kvb", "command-r", "gpt2", "bert",
                                         "nomic-bert"),
                         test_name);

TEST(Place, FillsTwoGpusInTurnAndGivesTheThirdBack) {
  const auto file = open("stories/stories260K.gguf");
  const uint64_t mib = 1 << 20;
  emulation::configure(
      {.devices = {{.memory_bytes = 64 * mib}, {.memory_bytes = 64 * mib}, {.memory_bytes = 64 * mib}}});
  Gpus gpus = open_all();
  const auto meter = model::StageMeter::open(*file);
  const auto counted = [&](int32_t first, int32_t n) {
    return meter->measure(std::move(plugin().make({.count_only = true})).value(), first, n, kMeter)->total;
  };
  // Room on each for two layers, and a little: the first two, then the other three do not fit the second.
  const uint64_t two = counted(0, 2), three = counted(0, 3);
  ASSERT_LT(two, three);
  auto placed = place(
      *file, &gpus,
      {.wishes = {.reserve_bytes = 64 * mib - std::max(two, counted(2, 2))}, .meter = kMeter, .cpu = {.n_threads = 1}});
  ASSERT_TRUE(placed.is_ok()) << placed.status().message();
  ASSERT_EQ(placed->stages.size(), 3U) << placed->why;
  EXPECT_EQ(placed->stages[0].n_layers, 2);
  EXPECT_EQ(placed->stages[1].n_layers, 2);
  EXPECT_EQ(placed->n_gpu_layers, 5) << placed->why;
  // One GPU alone is asked for: the others' backends go.
  placed->stages.clear();
  Gpus again = open_all();
  auto one =
      place(*file, &again, {.wishes = {.reserve_bytes = mib}, .only_gpu = 2, .meter = kMeter, .cpu = {.n_threads = 1}});
  ASSERT_TRUE(one.is_ok()) << one.status().message();
  EXPECT_EQ(one->stages.size(), 1U);
  EXPECT_NE(one->why.find("GPU 2 (Emulated GPU 3): layers 0 to 4"), std::string::npos) << one->why;
  EXPECT_EQ(again.open[0].backend, nullptr);
  EXPECT_EQ(emulation::used_bytes(0) + emulation::used_bytes(1), 0U);
}

TEST(Place, MemoryThatAnotherTookMeanwhileIsNotCountedOn) {
  const auto file = open("stories/stories260K.gguf");
  emulation::configure({.devices = {{.memory_bytes = 64 << 20}}});
  Gpus gpus = open_all();
  emulation::occupy(0, 60 << 20);
  auto placed = place(*file, &gpus, {.wishes = {.reserve_bytes = 0}, .meter = kMeter, .cpu = {.n_threads = 1}});
  ASSERT_TRUE(placed.is_ok()) << placed.status().message();
  EXPECT_EQ(placed->n_gpu_layers, 0) << placed->why;
  EXPECT_NE(placed->why.find("has no room for layer 0"), std::string::npos) << placed->why;
  EXPECT_GT(placed->host_weight_bytes, 0U);
}

// U04: nothing goes to the CPU because the GPUs that were opened are not there any more.
TEST(Place, GpusLostSinceTheyWereOpenedAreAnError) {
  const auto file = open("stories/stories260K.gguf");
  const std::vector<emulation::DeviceOptions> two(2);
  const auto attempt = [&](Gpus& gpus, int32_t only_gpu, const std::string& only_uuid = "") {
    return place(*file, &gpus,
                 {.only_gpu = only_gpu, .only_uuid = only_uuid, .meter = kMeter, .cpu = {.n_threads = 1}});
  };
  emulation::configure({.devices = two});
  {
    Gpus gpus = open_all();
    const auto no_such = attempt(gpus, 7);
    EXPECT_EQ(no_such.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(no_such.status().message(), "main_gpu 7: the driver does not show it; it shows 2");
    EXPECT_EQ(attempt(gpus, 1, "GPU-lost").code(), ErrorCode::kUnavailable) << "its number may be another's now";
    EXPECT_TRUE(attempt(gpus, 0, gpus.open[1].gpu.uuid)->why.find("Emulated GPU 2") != std::string::npos);
  }
  {
    Gpus gpus = open_all();
    EXPECT_TRUE(find_faults(gpus).empty());
    emulation::lose_device(0);
    const auto lost = attempt(gpus, -1);
    EXPECT_EQ(lost.code(), ErrorCode::kUnavailable);
    EXPECT_NE(lost.status().message().find("cudaErrorDevicesUnavailable"), std::string::npos)
        << lost.status().message();
    const auto faults = find_faults(gpus);
    ASSERT_EQ(faults.size(), 1U);
    EXPECT_EQ(faults[0].gpu.name, "Emulated GPU 1");
    gpus.open.clear();
  }
}

TEST(Place, WithoutGpusTheReasonIsKept) {
  const auto file = open("stories/stories260K.gguf");
  Gpus none;
  none.none = "no GPU: the driver shows none";
  auto placed = place(*file, &none, {.cpu = {.n_threads = 1}});
  ASSERT_TRUE(placed.is_ok());
  EXPECT_EQ(placed->why, "no GPU: the driver shows none");
  EXPECT_EQ(placed->stages.size(), 1U);
  EXPECT_EQ(place(*file, nullptr, {.cpu = {.n_threads = 1}})->why, "");
}

}  // namespace
}  // namespace da::placement
