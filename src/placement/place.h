#pragma once

#include <string>

#include "backend/cpu/cpu_backend.h"
#include "backend/gpu_plugin.h"
#include "base/result.h"
#include "model/placement.h"
#include "placement/first_fit.h"

namespace da::placement {

struct PlaceOptions {
  Wishes wishes;
  backend::CpuOptions cpu;
};

struct Placed {
  model::Placement stages;
  std::string why;  // see Plan
};

// Opens the devices of a first-fit plan for `file`. `plugin` null: all on the CPU. Errors: of the devices.
Result<Placed> place(const gguf::File& file, const backend::GpuPlugin* plugin, const PlaceOptions& options);

}  // namespace da::placement
