#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backend/backend.h"

namespace da::model {

// A run of layers on one backend. The token embedding goes with the first stage, the output head with the last.
struct Stage {
  std::unique_ptr<backend::Backend> backend;
  int32_t n_layers = 0;  // 0, in the last stage only: those that are left
};

// A model cut into stages; what a plan decides. Rows are handed over at the borders.
using Placement = std::vector<Stage>;

// All of it on one backend.
inline Placement on_one(std::unique_ptr<backend::Backend> backend) {
  Placement placement;
  placement.push_back({std::move(backend), 0});
  return placement;
}

}  // namespace da::model
