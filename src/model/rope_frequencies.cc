#include "model/rope_frequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace da::model {
namespace {

// The pair of dimensions whose wave turns `rotations` times in the original context (YaRN, section 3.2).
double correction_dim(const RopeParameters& rope, double rotations) {
  return rope.n_dims * std::log(rope.original_context / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(rope.freq_base));
}

}  // namespace

RopeFrequencies rope_frequencies(const RopeParameters& rope, std::span<const float> factors) {
  const bool yarn = rope.scaling == RopeScaling::kYarn;
  const double low = yarn ? std::max(0.0, std::floor(correction_dim(rope, rope.beta_fast))) : 0;
  const double high = yarn ? std::min(rope.n_dims - 1.0, std::ceil(correction_dim(rope, rope.beta_slow))) : 0;
  RopeFrequencies out;
  for (int32_t i = 0; i < rope.n_dims / 2; ++i) {
    double frequency = std::pow(static_cast<double>(rope.freq_base), -2.0 * i / rope.n_dims);
    if (!factors.empty()) frequency /= static_cast<double>(factors[static_cast<size_t>(i)]);
    double scale = rope.scaling == RopeScaling::kNone ? 1.0 : 1.0 / rope.factor;
    if (yarn) {
      // Fast waves keep their frequency, slow ones are stretched, those between mix.
      const double keep = rope.ext_factor * (1.0 - std::clamp((i - low) / std::max(0.001, high - low), 0.0, 1.0));
      scale = scale * (1.0 - keep) + keep;
    }
    out.radians_per_position.push_back(static_cast<float>(frequency * scale));
  }
  out.magnitude = rope.attn_factor;
  if (yarn && rope.ext_factor != 0)
    out.magnitude *= yarn_growth(rope.factor, rope.mscale) / yarn_growth(rope.factor, rope.mscale_all);
  return out;
}

}  // namespace da::model
