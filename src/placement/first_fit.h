#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gguf/gguf.h"

// Which layers run where, in the simplest way that works: the first layers that fit go to the GPUs, one after the
// other, in contiguous runs; the rest to the CPU.
namespace da::placement {

// Bytes that run with a layer. The embedding table is read on the host, whoever has the first layer; the output head
// belongs to the last.
struct ModelNeeds {
  std::vector<uint64_t> layer_bytes;  // weights, as in the file
  uint64_t output_bytes = 0;          // final norm and head
};
ModelNeeds model_needs(const gguf::File& file);

struct Room {
  uint64_t free_bytes = 0;
};

struct Wishes {
  int32_t gpu_layers = -1;          // at most this many; -1: as many as fit. The output head goes with the last layer
  uint64_t kv_bytes_per_layer = 0;  // to be kept free beside the weights
};

inline constexpr int32_t kCpu = -1;

struct Stage {
  int32_t device = kCpu;  // index of the GPU, or kCpu
  int32_t n_layers = 0;
  uint64_t bytes = 0;  // what was counted for it
};

struct Plan {
  std::vector<Stage> stages;  // in the order of the layers; never empty if the model has layers
  std::string why;            // one line for the log: what went where, and why not more
};

// Of a GPU, for buffers and what the driver takes for itself.
inline constexpr uint64_t kReservedGpuBytes = uint64_t{512} << 20;
// Weights grow when they are packed, by this much at most (in 1/16).
inline constexpr uint64_t kPackingSixteenths = 1;

Plan first_fit(const ModelNeeds& needs, std::span<const Room> gpus, const Wishes& wishes);

}  // namespace da::placement
