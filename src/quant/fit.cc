#include "quant/fit.h"

#include <algorithm>
#include <cmath>

namespace da::quant {
namespace {

constexpr int kLanes = 8;  // partial sums, so that the loops become vector code

float sum(const float (&parts)[kLanes]) {
  return ((parts[0] + parts[4]) + (parts[1] + parts[5])) + ((parts[2] + parts[6]) + (parts[3] + parts[7]));
}

float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

float largest_magnitude(const float* x, int n) {
  float largest = 0;
  for (int i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  }
  return largest;  // with its sign
}

// Sums over the codes of one rounding: with them the best scale is xc / cc, and it takes xc^2 / cc off the error.
struct Sums {
  float xc = 0, cc = 0;
  float gain() const { return cc > 0 ? xc * xc / cc : 0.0F; }
};

Sums integer_sums(const float* x, const float* w, int n, float inverse, float low, float high) {
  float xc[kLanes] = {}, cc[kLanes] = {};
  for (int begin = 0; begin < n; begin += kLanes) {
    for (int i = 0; i < kLanes; ++i) {
      const float code = clamp(round_near(x[begin + i] * inverse), low, high);
      xc[i] += w[begin + i] * x[begin + i] * code;
      cc[i] += w[begin + i] * code * code;
    }
  }
  return {sum(xc), sum(cc)};
}

Sums table_sums(const float* x, const float* w, int n, float inverse, const float* levels, const float* middles,
                int n_levels) {
  float xc[kLanes] = {}, cc[kLanes] = {};
  for (int begin = 0; begin < n; begin += kLanes) {
    float level[kLanes];
    for (int i = 0; i < kLanes; ++i) level[i] = levels[0];
    for (int k = 1; k < n_levels; ++k) {
      for (int i = 0; i < kLanes; ++i) level[i] = x[begin + i] * inverse > middles[k - 1] ? levels[k] : level[i];
    }
    for (int i = 0; i < kLanes; ++i) {
      xc[i] += w[begin + i] * x[begin + i] * level[i];
      cc[i] += w[begin + i] * level[i] * level[i];
    }
  }
  return {sum(xc), sum(cc)};
}

// Tries inverse scales, 0.7 to 1.3 times `start` (which may be of either sign), then goes downhill from the best.
template <class SumsAt>
float best_scale(float start, const SumsAt& sums_at) {
  constexpr int kSteps = 12;
  float best = 0, scale = 0;
  const auto consider = [&](float inverse) {
    const Sums sums = sums_at(inverse);
    if (!(sums.gain() > best)) return false;
    best = sums.gain();
    scale = sums.xc / sums.cc;
    return true;
  };
  for (int step = -kSteps; step <= kSteps; ++step) consider(start * (1.0F + 0.025F * static_cast<float>(step)));
  // The codes of the best scale may be others than those it was solved for.
  for (int round = 0; round < 4 && scale != 0; ++round) {
    if (!consider(1.0F / scale)) break;
  }
  return scale;
}

struct AffineSums {
  float c = 0, cc = 0, x = 0, xc = 0;
};

AffineSums affine_sums(const float* x, const float* w, int n, float inverse, float min, float high) {
  float c[kLanes] = {}, cc[kLanes] = {}, xs[kLanes] = {}, xc[kLanes] = {};
  for (int begin = 0; begin < n; begin += kLanes) {
    for (int i = 0; i < kLanes; ++i) {
      const float value = x[begin + i], weight = w[begin + i];
      const float code = clamp(round_near((value + min) * inverse), 0.0F, high);
      c[i] += weight * code;
      cc[i] += weight * code * code;
      xs[i] += weight * value;
      xc[i] += weight * value * code;
    }
  }
  return {sum(c), sum(cc), sum(xs), sum(xc)};
}

}  // namespace

float fit_scale(const float* x, const float* w, int n, int low, int high) {
  const float largest = largest_magnitude(x, n);
  if (largest == 0 || !std::isfinite(1.0F / largest)) return 0;
  const auto sums_at = [&](float inverse) {
    return integer_sums(x, w, n, inverse, static_cast<float>(low), static_cast<float>(high));
  };
  // The lowest code has one step more than the highest: it is for the largest value, whatever its sign.
  return best_scale(static_cast<float>(low) / largest, sums_at);
}

float fit_table_scale(const float* x, const float* w, int n, const int8_t* table) {
  const float largest = largest_magnitude(x, n);
  if (largest == 0 || !std::isfinite(1.0F / largest)) return 0;
  float levels[16], middles[15];
  std::copy(table, table + 16, levels);
  std::sort(levels, levels + 16);
  for (int k = 0; k < 15; ++k) middles[k] = (levels[k] + levels[k + 1]) / 2;
  const auto sums_at = [&](float inverse) { return table_sums(x, w, n, inverse, levels, middles, 16); };
  return best_scale(levels[0] / largest, sums_at);
}

Affine fit_affine(const float* x, const float* w, int n, int high, bool any_min) {
  float low_value = x[0], high_value = x[0];
  for (int i = 1; i < n; ++i) {
    low_value = std::min(low_value, x[i]);
    high_value = std::max(high_value, x[i]);
  }
  if (!any_min) low_value = std::min(low_value, 0.0F);
  const float range = high_value - low_value;
  if (!(range > 0) || !std::isfinite(1.0F / range)) return {0, -low_value};
  float count = 0;  // of values, each as often as its error counts
  for (int i = 0; i < n; ++i) count += w[i];
  Affine best{range / static_cast<float>(high), -low_value};
  // The part of the squared error that depends on scale and min, by the sums of one rounding.
  float least = INFINITY;
  const auto consider = [&](float inverse, float min) {
    const AffineSums s = affine_sums(x, w, n, inverse, min, static_cast<float>(high));
    const float determinant = count * s.cc - s.c * s.c;
    if (!(determinant > 0)) return false;
    float scale = (count * s.xc - s.x * s.c) / determinant;
    float new_min = (scale * s.c - s.x) / count;
    if (!any_min && new_min < 0) {
      new_min = 0;
      scale = s.xc / s.cc;
    }
    const float error = scale * scale * s.cc - 2 * scale * s.xc + count * new_min * new_min + 2 * new_min * s.x -
                        2 * scale * new_min * s.c;
    if (!(error < least) || !(scale > 0)) return false;
    least = error;
    best = {scale, new_min};
    return true;
  };
  constexpr int kSteps = 10;
  for (int step = -kSteps; step <= kSteps; ++step) {
    consider((static_cast<float>(high) + 0.1F * static_cast<float>(step)) / range, -low_value);
  }
  for (int round = 0; round < 8; ++round) {
    if (!consider(1.0F / best.scale, best.min)) break;
  }
  return best;
}

uint8_t nearest_in_table(float x, const int8_t* table) {
  uint8_t best = 0;
  for (uint8_t code = 1; code < 16; ++code) {
    if (std::fabs(x - static_cast<float>(table[code])) < std::fabs(x - static_cast<float>(table[best]))) best = code;
  }
  return best;
}

}  // namespace da::quant
