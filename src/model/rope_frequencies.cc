#include "model/rope_frequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace da::model {
namespace {

// The pair of dimensions whose wave turns `rotations` times in the original context (YaRN, section 3.2).
double correction_dim(const Hyperparameters& hyper, double rotations) {
  return hyper.rope_dims * std::log(hyper.rope_original_context / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(hyper.rope_freq_base));
}

}  // namespace

RopeFrequencies rope_frequencies(const Hyperparameters& hyper, std::span<const float> factors) {
  const bool yarn = hyper.rope_scaling == RopeScaling::kYarn;
  const double low = yarn ? std::max(0.0, std::floor(correction_dim(hyper, hyper.yarn_beta_fast))) : 0;
  const double high =
      yarn ? std::min(hyper.rope_dims - 1.0, std::ceil(correction_dim(hyper, hyper.yarn_beta_slow))) : 0;
  RopeFrequencies out;
  for (int32_t i = 0; i < hyper.rope_dims / 2; ++i) {
    double frequency = std::pow(static_cast<double>(hyper.rope_freq_base), -2.0 * i / hyper.rope_dims);
    if (!factors.empty()) frequency /= static_cast<double>(factors[static_cast<size_t>(i)]);
    double scale = hyper.rope_scaling == RopeScaling::kNone ? 1.0 : 1.0 / hyper.rope_scaling_factor;
    if (yarn) {
      // Fast waves keep their frequency, slow ones are stretched, those between mix.
      const double keep = hyper.yarn_ext_factor * (1.0 - std::clamp((i - low) / std::max(0.001, high - low), 0.0, 1.0));
      scale = scale * (1.0 - keep) + keep;
    }
    out.radians_per_position.push_back(static_cast<float>(frequency * scale));
  }
  out.magnitude = hyper.rope_attn_factor;
  if (yarn && hyper.yarn_ext_factor != 0)
    out.magnitude *= static_cast<float>(1.0 + 0.1 * std::log(hyper.rope_scaling_factor));
  return out;
}

}  // namespace da::model
