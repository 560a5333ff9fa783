// The golden models through the CUDA backend on emulated GPUs: the reference engine's logits within the tolerances the
// CPU is held to, on one GPU, on two, and cut between GPU and CPU; and the text of a trained model token by token.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "backend/cpu/cpu_backend.h"
#include "engine/eval.h"
#include "gguf/gguf.h"
#include "model/cuda/devices.h"
#include "model/model.h"
#include "model/stage_meter.h"
#include "support/golden.h"
#include "support/gpu_notes.h"

namespace da::model {
namespace {

using nlohmann::json;

std::shared_ptr<const gguf::File> open(const std::string& path) {
  return std::move(gguf::File::open(test::golden_path(path))).value();
}

enum class Devices { kGpu, kTwoGpus, kGpuAndCpu, kCpuAndGpu };
const char* name_of(Devices devices) {
  if (devices == Devices::kTwoGpus) return test::n_gpus() > 1 ? "two GPUs" : "one GPU in two stages";
  return devices == Devices::kGpu ? "one GPU" : devices == Devices::kGpuAndCpu ? "split GPU/CPU" : "split CPU/GPU";
}

Result<Placement> place(const gguf::File& file, Devices devices) {
  test::reset_gpus();
  const auto gpu = [](int32_t device) { return test::make_gpu(device); };
  const auto cpu = [] { return std::move(backend::make_cpu_backend({.n_threads = 1})).value(); };
  Placement placement;
  if (devices == Devices::kGpu) return on_one(gpu(0));
  // In the middle, or before it where layers read what others stored (gemma4).
  DA_ASSIGN_OR_RETURN(const StageMeter meter, StageMeter::open(file));
  int32_t first = meter.n_layers() / 2;
  while (first > 0 && !meter.can_begin(first)) --first;
  if (first == 0) return on_one(gpu(1));
  placement.push_back({devices == Devices::kCpuAndGpu ? cpu() : gpu(0), first});
  placement.push_back({devices == Devices::kGpuAndCpu ? cpu() : gpu(1), 0});
  return placement;
}

// Whether it can be cut before its middle.
bool cuts(const std::string& path) {
  const auto file = open(path);
  const auto meter = StageMeter::open(*file);
  for (int32_t layer = 1; meter.is_ok() && layer <= meter->n_layers() / 2; ++layer) {
    if (meter->can_begin(layer)) return true;
  }
  return false;
}

struct Difference {
  double nmse = 0, max_abs = 0;
};

struct EvalRun {
  Devices devices;
  int32_t chunk_tokens;
};

Difference compare(const std::string& path, const std::vector<int32_t>& tokens, const std::vector<float>& expected,
                   const EvalRun& run, Output output = Output::kLogits) {
  double error = 0, power = 0, largest = 0;
  size_t at = 0;
  const engine::EvalOptions options{.chunk_tokens = run.chunk_tokens,
                                    .place = [&](const gguf::File& file) { return place(file, run.devices); }};
  const Status status = engine::eval_rows(open(path), tokens, output, options, [&](std::span<const float> row) {
    for (const float value : row) {
      const double difference = static_cast<double>(value) - static_cast<double>(expected.at(at));
      error += difference * difference;
      power += static_cast<double>(expected[at]) * static_cast<double>(expected[at]);
      largest = std::isnan(value) ? INFINITY : std::max(largest, std::fabs(difference));
      ++at;
    }
    return Status::ok();
  });
  EXPECT_TRUE(status.is_ok()) << status.message() << " " << test::last_fault();
  EXPECT_EQ(at, expected.size());
  return {error / power, largest};
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// Every golden model and quantized file: a list here would forget some.
std::vector<std::string> golden_models() {
  const json index = json::parse(test::golden_bytes("models/index.json"));
  std::vector<std::string> names;
  for (const json& entry : index["models"]) names.push_back(entry["name"]);
  return names;
}

std::vector<std::string> golden_quants() {
  const json index = json::parse(test::golden_bytes("quants/index.json"));
  std::vector<std::string> names;
  for (const json& entry : index["files"])
    names.push_back(entry["base"].get<std::string>() + "-" + entry["name"].get<std::string>());
  return names;
}

class GoldenOnGpu : public testing::TestWithParam<std::string> {};

TEST_P(GoldenOnGpu, GivesTheReferenceLogitsWhereverItRuns) {
  const json index = json::parse(test::golden_bytes("models/index.json"));
  for (const json& entry : index["models"]) {
    if (entry["name"] != GetParam()) continue;
    const std::vector<int32_t> tokens = entry["token_ids"];
    const bool embedding = entry["kind"] == "embedding";
    const auto expected = test::golden_floats(entry[embedding ? "embeddings" : "logits"].get<std::string>());
    float largest = 0;
    for (const float value : expected) largest = std::max(largest, std::fabs(value));
    std::vector<EvalRun> runs = {{Devices::kGpu, 0},
                                 {Devices::kGpu, 6},
                                 {Devices::kTwoGpus, 20},
                                 {GetParam().size() % 2 == 0 ? Devices::kGpuAndCpu : Devices::kCpuAndGpu, 20}};
    if (GetParam() == "llama" || GetParam() == "gpt-oss" || GetParam() == "deepseek2")
      runs.push_back({Devices::kTwoGpus, 1});
    for (const EvalRun& run : runs) {
      const Difference difference =
          compare(entry["file"], tokens, expected, run, embedding ? Output::kHidden : Output::kLogits);
      const std::string name =
          "devices-" + std::to_string(static_cast<int>(run.devices)) + "-chunk-" + std::to_string(run.chunk_tokens);
      EXPECT_LE(difference.nmse, 1e-8) << name;
      EXPECT_LE(difference.max_abs, 1e-4 * static_cast<double>(largest)) << name;
      RecordProperty(name, std::to_string(difference.nmse * 1e12) + "e-12");
      if (HasFailure()) continue;
      // Layers that read what others stored may not be torn apart: such a model runs on one GPU whatever was asked for.
      const char* where = name_of(cuts(entry["file"]) ? run.devices : Devices::kGpu);
      test::note_gpu("models", where, GetParam());
      if (run.chunk_tokens > 0)
        test::note_gpu("models in chunks", where, GetParam() + " of " + std::to_string(run.chunk_tokens));
    }
    return;
  }
  FAIL() << "no such golden model";
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenOnGpu, testing::ValuesIn(golden_models()), test_name);

class GoldenQuantOnGpu : public testing::TestWithParam<std::string> {};

TEST_P(GoldenQuantOnGpu, StaysWithinTheReferenceEnginesOwnError) {
  const json index = json::parse(test::golden_bytes("quants/index.json"));
  for (const json& entry : index["files"]) {
    if (entry["base"].get<std::string>() + "-" + entry["name"].get<std::string>() != GetParam()) continue;
    const std::vector<int32_t> tokens = entry["token_ids"];
    const std::vector<float> expected = test::golden_floats(entry["logits"].get<std::string>());
    const double allowed = 1.5 * std::max(entry["engine_nmse"].get<double>(), entry.value("engine_nmse_mean", 0.0));
    for (const int32_t chunk : {0, 6}) {  // by the kernels for many rows, and for few
      const Difference difference = compare(entry["file"], tokens, expected, {Devices::kGpu, chunk});
      EXPECT_LE(difference.nmse, allowed) << "chunk " << chunk;
      RecordProperty("chunk-" + std::to_string(chunk),
                     std::to_string(difference.nmse) + " of " + std::to_string(allowed));
    }
    if (!HasFailure()) test::note_gpu("quantized files", "one GPU", GetParam());
    return;
  }
  FAIL() << "no such golden file";
}

INSTANTIATE_TEST_SUITE_P(Quants, GoldenQuantOnGpu, testing::ValuesIn(golden_quants()), test_name);

TEST(StoriesOnGpu, GreedyTextTokenByToken) {
  const json stories = json::parse(test::golden_bytes("stories/stories260K.json"));
  std::vector<int32_t> tokens = stories["greedy"]["prompt_ids"];
  const std::vector<int32_t> expected = stories["greedy"]["ids"];
  constexpr size_t kTokens = 60;
  const auto file = open("stories/stories260K.gguf");
  auto model = std::move(Model::load(file, std::move(place(*file, Devices::kTwoGpus)).value())).value();
  ASSERT_TRUE(model->reserve(32, 1).is_ok());
  const auto kv = std::move(model->make_kv_cache(backend::KvType::kF32, 4)).value();
  ASSERT_TRUE(kv->grow(4).is_ok());
  const std::vector<int32_t> pages = {2, 0, 3, 1};
  std::vector<int32_t> found, next(1);
  const uint64_t n_allocations = test::counts().n_allocations;
  backend::SequenceRows sequence{.first_row = 0, .n_rows = 0, .first_position = 0, .pages = pages};
  uint64_t n_waits_before = 0;
  while (found.size() < kTokens) {
    sequence.first_position += sequence.n_rows;
    sequence.n_rows = static_cast<int32_t>(tokens.size());
    const std::vector<int32_t> outputs = {sequence.n_rows - 1};
    const auto logits = model->forward({.token_ids = tokens, .sequences = {&sequence, 1}, .output_rows = outputs}, *kv);
    ASSERT_TRUE(logits.is_ok()) << logits.status().message();
    // From the tokens to the choice of the next, over two devices: nobody has waited for a device yet.
    const uint64_t n_waits = test::counts().n_waits;
    if (!found.empty()) {
      EXPECT_EQ(n_waits, n_waits_before);
    }
    ASSERT_TRUE(model->output_backend().argmax(**logits, next).is_ok());
    n_waits_before = test::counts().n_waits;
    EXPECT_LE(n_waits_before, n_waits + 1);
    found.push_back(next[0]);
    tokens = next;
  }
  EXPECT_EQ(found, std::vector<int32_t>(expected.begin(), expected.begin() + kTokens));
  EXPECT_EQ(test::counts().n_allocations, n_allocations) << "all memory was reserved at load";
  if (n_allocations > 0) {
    EXPECT_GT(test::counts().n_graph_launches, kTokens / 2) << "decode steps are replayed";
  }
  if (!HasFailure()) test::note_gpu("models", name_of(Devices::kTwoGpus), "stories, token by token");
}

}  // namespace
}  // namespace da::model
