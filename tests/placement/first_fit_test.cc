// Layers to devices: what fits, in runs, and why not more.
#include "placement/first_fit.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "support/golden.h"

namespace da::placement {
namespace {

constexpr uint64_t kMiB = 1 << 20;

std::string text(const Plan& plan) {
  std::string out;
  for (const Stage& stage : plan.stages)
    out += (stage.device == kCpu ? "cpu" : "gpu" + std::to_string(stage.device)) + ":" +
           std::to_string(stage.n_layers) + " ";
  return out;
}

// Ten layers of 160 MiB (170 packed) and a head of 320.
ModelNeeds needs() { return {.layer_bytes = std::vector<uint64_t>(10, 160 * kMiB), .output_bytes = 320 * kMiB}; }
Room room(uint64_t mib) { return {(mib + 512) * kMiB}; }

TEST(FirstFit, WithoutGpusAllRunsOnTheCpu) {
  EXPECT_EQ(text(first_fit(needs(), {}, {})), "cpu:10 ");
  EXPECT_EQ(first_fit(needs(), {}, {}).why, "0 of 10 layers on 0 GPUs");
}

TEST(FirstFit, FillsGpusInTurn) {
  const Room all[] = {room(2040)}, most[] = {room(2039)}, two[] = {room(600), room(800)};
  EXPECT_EQ(text(first_fit(needs(), all, {})), "gpu0:10 ");
  EXPECT_EQ(text(first_fit(needs(), most, {})), "gpu0:9 cpu:1 ") << "the head belongs to the last layer";
  const Plan plan = first_fit(needs(), two, {});
  EXPECT_EQ(text(plan), "gpu0:3 gpu1:4 cpu:3 ");
  EXPECT_EQ(
      plan.why,
      "7 of 10 layers on 2 GPUs: GPU 0 has no room for layer 3 (170 MiB, 90 MiB left); GPU 1 has no room for layer 7 "
      "(170 MiB, 120 MiB left)");
}

TEST(FirstFit, PassesOverAFullGpu) {
  const Room rooms[] = {{100 * kMiB}, room(5000)};
  EXPECT_EQ(text(first_fit(needs(), rooms, {})), "gpu1:10 ");
}

TEST(FirstFit, WishesLimitWhatGoesToTheGpus) {
  const Room rooms[] = {room(5000)};
  EXPECT_EQ(text(first_fit(needs(), rooms, {.gpu_layers = 0})), "cpu:10 ");
  EXPECT_EQ(text(first_fit(needs(), rooms, {.gpu_layers = 4})), "gpu0:4 cpu:6 ");
  EXPECT_EQ(text(first_fit(needs(), rooms, {.gpu_layers = 99})), "gpu0:10 ");
  const Room small[] = {room(600)};
  EXPECT_EQ(text(first_fit(needs(), small, {.kv_bytes_per_layer = 130 * kMiB})), "gpu0:2 cpu:8 ");
}

TEST(FirstFit, EveryLayerHasOnePlaceAndNothingIsOverfilled) {
  std::mt19937 random(5);
  for (int i = 0; i < 2000; ++i) {
    ModelNeeds model;
    model.layer_bytes.resize(1 + random() % 40);
    for (uint64_t& bytes : model.layer_bytes) bytes = random() % (300 * kMiB);
    model.output_bytes = random() % (900 * kMiB);
    std::vector<Room> gpus(random() % 4);
    for (Room& gpu : gpus) gpu.free_bytes = static_cast<uint64_t>(random() % 6000) * kMiB;
    const Wishes wishes{.gpu_layers = static_cast<int32_t>(random() % 50) - 1};
    const Plan plan = first_fit(model, gpus, wishes);
    int32_t n_layers = 0, on_gpus = 0, last_device = -1;
    for (size_t s = 0; s < plan.stages.size(); ++s) {
      const Stage& stage = plan.stages[s];
      EXPECT_GT(stage.n_layers, 0);
      n_layers += stage.n_layers;
      if (stage.device == kCpu) {
        EXPECT_EQ(s, plan.stages.size() - 1);
        continue;
      }
      EXPECT_GT(stage.device, last_device);
      last_device = stage.device;
      on_gpus += stage.n_layers;
      EXPECT_LE(stage.bytes + kReservedGpuBytes, gpus[static_cast<size_t>(stage.device)].free_bytes);
    }
    EXPECT_EQ(n_layers, static_cast<int32_t>(model.layer_bytes.size()));
    if (wishes.gpu_layers >= 0) {
      EXPECT_LE(on_gpus, wishes.gpu_layers);
    }
  }
}

TEST(ModelNeeds, CountsAFilesTensors) {
  const auto file = gguf::File::open(test::golden_path("stories/stories260K.gguf"));
  ASSERT_TRUE(file.is_ok());
  const ModelNeeds found = model_needs(**file);
  EXPECT_EQ(found.layer_bytes.size(), 5U);
  uint64_t all = 0, table = 0;
  for (const gguf::Tensor& tensor : (*file)->tensors()) {
    all += tensor.size_bytes;
    if (tensor.name == "token_embd.weight") table = tensor.size_bytes;
  }
  const bool tied = (*file)->find_tensor("output.weight") == nullptr;
  EXPECT_EQ(std::accumulate(found.layer_bytes.begin(), found.layer_bytes.end(), found.output_bytes),
            tied ? all : all - table);
}

}  // namespace
}  // namespace da::placement
