#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/stage_meter.h"

// Which layers run where, in the simplest way that works: the first layers that fit go to the GPUs, one after the
// other, in contiguous runs; the rest to the CPU.
namespace da::placement {

struct ModelShape {
  int32_t n_layers = 0;
  std::vector<int32_t> cuts;  // layers at which a stage may begin, ascending, without 0
};

struct Room {
  std::string name;  // "GPU 0 (NVIDIA …)", for the log
  uint64_t free_bytes = 0;
};

struct Wishes {
  int32_t gpu_layers = -1;  // at most this many; -1: as many as fit. The output head goes with the last layer
  // Bytes of each GPU that are kept free: beside what is counted the driver takes some for graphs and kernels' own
  // memory, and other programs are there.
  uint64_t reserve_bytes = uint64_t{256} << 20;
};

inline constexpr int32_t kCpu = -1;

struct Stage {
  int32_t device = kCpu;  // index among the rooms, or kCpu
  int32_t n_layers = 0;
  model::StageBytes bytes;  // of a GPU's
};

struct Plan {
  std::vector<Stage> stages;  // in the order of the layers; never empty if the model has layers
  std::string why;            // one line for the log: what went where, and why not more
};

// What layers [first, first + n) take on a GPU; the last layer brings the output head.
using Measure = std::function<Result<model::StageBytes>(int32_t gpu, int32_t first_layer, int32_t n_layers)>;

// Pure but for `measure`, whose errors it returns.
Result<Plan> first_fit(const ModelShape& shape, std::span<const Room> gpus, const Wishes& wishes,
                       const Measure& measure);

}  // namespace da::placement
