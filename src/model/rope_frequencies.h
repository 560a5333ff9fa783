#pragma once

#include <span>
#include <vector>

#include "model/hyperparameters.h"

namespace da::model {

struct RopeFrequencies {
  std::vector<float> radians_per_position;  // [n_dims/2]
  float magnitude = 1.0F;                   // on sine and cosine
};

// A rotation with its scaling (linear, YaRN) worked in. `factors` [n_dims/2] divide the frequencies (Llama 3.1's and
// long-rope's); empty: none.
RopeFrequencies rope_frequencies(const RopeParameters& rope, std::span<const float> factors);

}  // namespace da::model
