#pragma once

#include <string>

#include "backend/cpu/cpu_backend.h"
#include "base/result.h"
#include "model/placement.h"
#include "model/stage_meter.h"
#include "placement/first_fit.h"
#include "placement/gpus.h"

namespace da::placement {

struct PlaceOptions {
  Wishes wishes;
  int32_t only_gpu = -1;  // index of the one GPU to use; -1: all
  std::string only_uuid;  // of it, where it is known: indices move when a device is lost
  // What the engine will reserve. n_pages of keys and values are kept free beside the rest, so that a context fits.
  model::MeterOptions meter;
  backend::CpuOptions cpu;
};

struct Placed {
  model::Placement stages;
  std::string why;  // see Plan
  std::vector<PlannedGpu> gpus;
  int32_t n_gpu_layers = 0;
  uint64_t gpu_bytes = 0;          // counted, with the pages kept free
  int32_t max_pages = 0;           // that the fullest GPU has room for; 0: no GPU, no limit of this kind
  uint64_t host_weight_bytes = 0;  // in the file, of what the CPU runs
};

// Opens the devices of a first-fit plan for `file`; GPUs that get no layers are given back. `gpus` null: all on the
// CPU. Errors: of the file, of the devices; kInvalidArgument: there never was such an `only_gpu`; kUnavailable: none of
// the GPUs that were opened, or not the one that is asked for, can be used any more (nothing goes to the CPU for that).
Result<Placed> place(const gguf::File& file, Gpus* gpus, const PlaceOptions& options);

}  // namespace da::placement
