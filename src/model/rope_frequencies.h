#pragma once

#include <span>
#include <vector>

#include "model/hyperparameters.h"

namespace da::model {

struct RopeFrequencies {
  std::vector<float> radians_per_position;  // [rope_dims/2]
  float magnitude = 1.0F;                   // on sine and cosine
};

// The model's rotation with its scaling (linear, YaRN) worked in. `factors` [rope_dims/2] divide the frequencies
// (Llama 3.1's rope_freqs.weight); empty: none.
RopeFrequencies rope_frequencies(const Hyperparameters& hyper, std::span<const float> factors);

}  // namespace da::model
