// Layers to devices: what fits, in runs, and why not more.
#include "placement/first_fit.h"

#include <gtest/gtest.h>

#include <random>

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

// Layers of 160 MiB and a head of 320, beside 40 of buffers that a stage's layers share.
struct Layers {
  ModelShape shape{.n_layers = 10, .cuts = {1, 2, 3, 4, 5, 6, 7, 8, 9}};
  std::vector<uint64_t> bytes = std::vector<uint64_t>(10, 160 * kMiB);
  uint64_t head_bytes = 320 * kMiB, buffer_bytes = 40 * kMiB;
  int n_measured = 0;

  Plan plan(const std::vector<uint64_t>& rooms_mib, Wishes wishes = {}) {
    std::vector<Room> rooms;
    for (const uint64_t mib : rooms_mib)
      rooms.push_back({"GPU " + std::to_string(rooms.size()), mib * kMiB + wishes.reserve_bytes});
    const auto made =
        first_fit(shape, rooms, wishes, [this](int32_t, int32_t first, int32_t n) { return measure(first, n); });
    EXPECT_TRUE(made.is_ok()) << made.status().message();
    return made.is_ok() ? *made : Plan();
  }
  Result<model::StageBytes> measure(int32_t first, int32_t n) {
    ++n_measured;
    EXPECT_TRUE(may_begin(first) && may_begin(first + n)) << first << " " << n;
    model::StageBytes bytes_of{.total = buffer_bytes, .page = kMiB};
    for (int32_t i = first; i < first + n; ++i) bytes_of.total += bytes[static_cast<size_t>(i)];
    if (first + n == shape.n_layers) bytes_of.total += head_bytes;
    return bytes_of;
  }
  bool may_begin(int32_t layer) const {
    return layer == 0 || layer == shape.n_layers ||
           std::find(shape.cuts.begin(), shape.cuts.end(), layer) != shape.cuts.end();
  }
};

TEST(FirstFit, WithoutGpusAllRunsOnTheCpu) {
  EXPECT_EQ(text(Layers().plan({})), "cpu:10 ");
  EXPECT_EQ(Layers().plan({}).why, "0 of 10 layers on 0 GPUs");
}

TEST(FirstFit, FillsGpusInTurn) {
  Layers layers;
  EXPECT_EQ(text(layers.plan({1960})), "gpu0:10 ");
  EXPECT_EQ(layers.n_measured, 1) << "when all fits one look is enough";
  EXPECT_EQ(text(layers.plan({1959})), "gpu0:9 cpu:1 ") << "the head belongs to the last layer";
  const Plan plan = layers.plan({600, 700});
  EXPECT_EQ(text(plan), "gpu0:3 gpu1:4 cpu:3 ");
  EXPECT_EQ(
      plan.why,
      "7 of 10 layers on 2 GPUs: GPU 0: layers 0 to 2, 520 MiB of 856 MiB free; GPU 1: layers 3 to 6, 680 MiB of "
      "956 MiB free; CPU: layers 7 to 9: GPU 0 has no room for layer 3 (680 MiB with those before, 600 MiB free "
      "beside 256 MiB kept); GPU 1 has no room for layer 7 (840 MiB with those before, 700 MiB free beside 256 MiB "
      "kept)");
}

TEST(FirstFit, PassesOverAFullGpu) {
  Layers layers;
  EXPECT_EQ(text(layers.plan({100, 5000})), "gpu1:10 ");
  EXPECT_NE(layers.plan({100}).why.find("GPU 0 has no room for layer 0 (200 MiB, 100 MiB free"), std::string::npos)
      << layers.plan({100}).why;
}

TEST(FirstFit, WishesLimitWhatGoesToTheGpus) {
  Layers layers;
  EXPECT_EQ(text(layers.plan({5000}, {.gpu_layers = 0})), "cpu:10 ");
  const Plan four = layers.plan({5000}, {.gpu_layers = 4});
  EXPECT_EQ(text(four), "gpu0:4 cpu:6 ");
  EXPECT_NE(four.why.find("no more were asked for"), std::string::npos) << four.why;
  EXPECT_EQ(text(layers.plan({5000}, {.gpu_layers = 99})), "gpu0:10 ");
}

// Layers 4 to 9 read keys and values that layer 3 stores: they stay with it.
TEST(FirstFit, CutsOnlyWhereItMay) {
  Layers layers;
  layers.shape.cuts = {1, 2, 3};
  EXPECT_EQ(text(layers.plan({1200, 3000})), "gpu0:3 gpu1:7 ");
  EXPECT_EQ(text(layers.plan({1200})), "gpu0:3 cpu:7 ");
  EXPECT_NE(layers.plan({1200}).why.find("no room for layers 3 to 9"), std::string::npos) << layers.plan({1200}).why;
  EXPECT_EQ(text(layers.plan({5000}, {.gpu_layers = 6})), "gpu0:3 cpu:7 ");
  layers.shape.cuts = {};
  const Plan whole = layers.plan({5000}, {.gpu_layers = 6});
  EXPECT_EQ(text(whole), "cpu:10 ");
  EXPECT_NE(whole.why.find("layers 0 to 9 stay together"), std::string::npos) << whole.why;
}

TEST(FirstFit, AMeasuresErrorIsItsOwn) {
  const Room room{"GPU 0", 1000 * kMiB};
  const auto plan = first_fit({.n_layers = 2, .cuts = {1}}, {&room, 1}, {}, [](int32_t, int32_t, int32_t) {
    return Result<model::StageBytes>(Status(ErrorCode::kUnsupported, "heads too wide"));
  });
  EXPECT_EQ(plan.status().message(), "heads too wide");
}

TEST(FirstFit, EveryLayerHasOnePlaceAndNothingIsOverfilled) {
  std::mt19937 random(5);
  for (int i = 0; i < 2000; ++i) {
    Layers layers;
    layers.shape = {.n_layers = static_cast<int32_t>(1 + random() % 40), .cuts = {}};
    layers.bytes.resize(static_cast<size_t>(layers.shape.n_layers));
    for (uint64_t& bytes : layers.bytes) bytes = random() % (300 * kMiB);
    layers.head_bytes = random() % (900 * kMiB);
    for (int32_t layer = 1; layer < layers.shape.n_layers; ++layer) {
      if (random() % 4 != 0) layers.shape.cuts.push_back(layer);
    }
    std::vector<uint64_t> rooms(random() % 4);
    for (uint64_t& room : rooms) room = random() % 6000;
    const Wishes wishes{.gpu_layers = static_cast<int32_t>(random() % 50) - 1};
    const Plan plan = layers.plan(rooms, wishes);
    int32_t n_layers = 0, on_gpus = 0, last_device = -1;
    for (size_t s = 0; s < plan.stages.size(); ++s) {
      const Stage& stage = plan.stages[s];
      EXPECT_GT(stage.n_layers, 0);
      EXPECT_TRUE(layers.may_begin(n_layers));
      n_layers += stage.n_layers;
      if (stage.device == kCpu) {
        EXPECT_EQ(s, plan.stages.size() - 1);
        continue;
      }
      EXPECT_GT(stage.device, last_device);
      last_device = stage.device;
      on_gpus += stage.n_layers;
      EXPECT_LE(stage.bytes.total, rooms[static_cast<size_t>(stage.device)] * kMiB);
      // One cut further would not have fitted.
      int32_t further = n_layers + 1;
      while (!layers.may_begin(further) && further <= layers.shape.n_layers) ++further;
      const int32_t most =
          wishes.gpu_layers < 0 ? layers.shape.n_layers : std::min(wishes.gpu_layers, layers.shape.n_layers);
      if (further <= most) {
        const int32_t first = n_layers - stage.n_layers;
        EXPECT_GT(layers.measure(first, further - first)->total, rooms[static_cast<size_t>(stage.device)] * kMiB);
      }
    }
    EXPECT_EQ(n_layers, layers.shape.n_layers);
    if (wishes.gpu_layers >= 0) {
      EXPECT_LE(on_gpus, wishes.gpu_layers);
    }
  }
}

}  // namespace
}  // namespace da::placement
