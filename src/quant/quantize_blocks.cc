#include "quant/quantize_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/fit.h"
#include "quant/quant.h"

namespace da::quant {
namespace {

using gguf::TensorType;

constexpr int kMaxSubBlocks = 16;

int clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }
int round_to_int(float x) { return static_cast<int>(round_near(x < -1e6F ? -1e6F : x > 1e6F ? 1e6F : x)); }

// The code whose value times `step` is nearest to `x`.
uint8_t code_of(const IntegerFormat& format, float x, float step) {
  if (format.table != nullptr) return step == 0 ? 0 : nearest_in_table(x / step, format.table);
  if (step == 0) return static_cast<uint8_t>(format.zero_point);
  return static_cast<uint8_t>(clamp(round_to_int(x / step) + format.zero_point, 0, (1 << format.code_bits) - 1));
}

float level_of(const IntegerFormat& format, uint8_t code) {
  return static_cast<float>(format.table != nullptr ? format.table[code] : code - format.zero_point);
}

float fit(const IntegerFormat& format, const float* x, const float* w) {
  if (format.table != nullptr) return fit_table_scale(x, w, format.sub_block, format.table);
  return fit_scale(x, w, format.sub_block, -format.zero_point, format.zero_point - 1);
}

// Codes for `d` and the scales in `out`; the sum of squared errors.
double encode_scaled(const IntegerFormat& format, const float* x, const float* w, float d, IntegerBlock& out) {
  double error = 0;
  for (int i = 0; i < format.values_per_block; ++i) {
    const float step = d * static_cast<float>(out.scales[i / format.sub_block]);
    out.codes[i] = code_of(format, x[i], step);
    const double difference = static_cast<double>(x[i] - step * level_of(format, out.codes[i]));
    error += static_cast<double>(w[i]) * difference * difference;
  }
  return error;
}

// The d that suits scales and codes best.
float refit_scaled(const IntegerFormat& format, const float* x, const float* w, const IntegerBlock& block) {
  double xc = 0, cc = 0;
  for (int i = 0; i < format.values_per_block; ++i) {
    const double level = static_cast<double>(block.scales[i / format.sub_block]) * level_of(format, block.codes[i]);
    const double weighted = static_cast<double>(w[i]) * level;
    xc += static_cast<double>(x[i]) * weighted;
    cc += level * weighted;
  }
  return cc > 0 ? static_cast<float>(xc / cc) : 0.0F;
}

// Better d for the codes, better codes for the d, as long as that helps.
void settle_scaled(const IntegerFormat& format, const float* x, const float* w, float d, IntegerBlock& out) {
  out.d = float_to_half(d);
  double error = encode_scaled(format, x, w, half_to_float(out.d), out);
  for (int round = 0; round < 3; ++round) {
    IntegerBlock next = out;
    next.d = float_to_half(refit_scaled(format, x, w, out));
    if (next.d == out.d) break;
    const double next_error = encode_scaled(format, x, w, half_to_float(next.d), next);
    if (next_error >= error) break;
    error = next_error;
    out = next;
  }
}

// Q4_0, Q5_0, IQ4_NL: one scale.
void quantize_plain(const IntegerFormat& format, const float* x, const float* w, IntegerBlock& out) {
  std::memset(out.scales, 1, sizeof(out.scales));
  settle_scaled(format, x, w, fit(format, x, w), out);
}

// Q8_0 as everybody writes it: the largest magnitude is code 127.
void quantize_q8_0(const float* x, IntegerBlock& out) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float d = largest / 127.0F;
  const float inverse = d > 1e-30F ? 1.0F / d : 0.0F;  // below, d is 0 in float16 and the inverse may overflow
  out.d = float_to_half(d);
  for (int i = 0; i < 32; ++i) out.codes[i] = static_cast<uint8_t>(std::lround(x[i] * inverse) + 128);
}

// Q3_K, Q6_K, IQ4_XS: signed integer scales of the sub-blocks.
void quantize_scaled(const IntegerFormat& format, const float* x, const float* w, int lowest_scale, IntegerBlock& out) {
  const int n_sub = format.values_per_block / format.sub_block;
  float scales[kMaxSubBlocks], largest = 0;
  for (int j = 0; j < n_sub; ++j) {
    scales[j] = fit(format, x + j * format.sub_block, w + j * format.sub_block);
    if (std::fabs(scales[j]) > std::fabs(largest)) largest = scales[j];
  }
  const float d = half_to_float(float_to_half(largest / static_cast<float>(lowest_scale)));
  for (int j = 0; j < n_sub; ++j) {
    const int scale = d == 0 ? 0 : clamp(round_to_int(scales[j] / d), lowest_scale, -lowest_scale - 1);
    out.scales[j] = static_cast<int8_t>(scale);
  }
  settle_scaled(format, x, w, d, out);
}

// MXFP4: the power of two around which the error is least.
void quantize_mxfp4(const IntegerFormat& format, const float* x, const float* w, IntegerBlock& out) {
  std::memset(out.scales, 1, sizeof(out.scales));
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[i]));
  // The largest level is 12 halves of the scale; bfloat16 of 2^e is (e + 127) << 7.
  const int exponent = largest > 0 ? std::ilogb(largest / 12.0F) : -126;
  double least = INFINITY;
  for (int e = std::max(exponent - 1, -126); e <= std::max(exponent + 1, -125); ++e) {
    IntegerBlock next = out;
    next.d = static_cast<uint16_t>((e + 127) << 7);
    const double error = encode_scaled(format, x, w, bf16_to_float(next.d), next);
    if (error >= least) continue;
    least = error;
    out = next;
  }
}

// Codes for d, d_min, and the scales and mins in `out`; the sum of squared errors.
double encode_affine(const IntegerFormat& format, const float* x, const float* w, IntegerBlock& out) {
  const float d = half_to_float(out.d), d_min = half_to_float(out.d_min);
  double error = 0;
  for (int i = 0; i < format.values_per_block; ++i) {
    const int sub = i / format.sub_block;
    const float step = d * static_cast<float>(out.scales[sub]), min = d_min * static_cast<float>(out.mins[sub]);
    const int code = step == 0 ? 0 : clamp(round_to_int((x[i] + min) / step), 0, (1 << format.code_bits) - 1);
    out.codes[i] = static_cast<uint8_t>(code);
    const double difference = static_cast<double>(x[i] - (step * static_cast<float>(code) - min));
    error += static_cast<double>(w[i]) * difference * difference;
  }
  return error;
}

// The d and d_min that suit scales, mins and codes best: two equations.
bool refit_affine(const IntegerFormat& format, const float* x, const float* w, IntegerBlock& block) {
  double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
  for (int i = 0; i < format.values_per_block; ++i) {
    const int sub = i / format.sub_block;
    const double a = static_cast<double>(block.scales[sub]) * block.codes[i], b = -static_cast<double>(block.mins[sub]);
    const auto weight = static_cast<double>(w[i]);
    aa += weight * a * a;
    ab += weight * a * b;
    bb += weight * b * b;
    xa += weight * static_cast<double>(x[i]) * a;
    xb += weight * static_cast<double>(x[i]) * b;
  }
  const double determinant = aa * bb - ab * ab;
  const uint16_t d = block.d, d_min = block.d_min;
  if (determinant > 1e-9 * aa * bb) {
    block.d = float_to_half(static_cast<float>((xa * bb - xb * ab) / determinant));
    block.d_min = float_to_half(static_cast<float>((xb * aa - xa * ab) / determinant));
  } else if (aa > 0 && bb == 0) {
    block.d = float_to_half(static_cast<float>(xa / aa));
  }
  return block.d != d || block.d_min != d_min;
}

void settle_affine(const IntegerFormat& format, const float* x, const float* w, IntegerBlock& out) {
  double error = encode_affine(format, x, w, out);
  for (int round = 0; round < 3; ++round) {
    IntegerBlock next = out;
    if (!refit_affine(format, x, w, next)) break;
    const double next_error = encode_affine(format, x, w, next);
    if (!(next_error < error)) break;
    error = next_error;
    out = next;
  }
}

// Q2_K, Q4_K, Q5_K: integer scales and mins of the sub-blocks, up to `highest`. Q4_1, Q5_1: highest is 1, one of each.
void quantize_affine(const IntegerFormat& format, const float* x, const float* w, int highest, IntegerBlock& out) {
  const int n_sub = format.values_per_block / format.sub_block;
  Affine fits[kMaxSubBlocks];
  float largest_scale = 0, largest_min = 0;
  for (int j = 0; j < n_sub; ++j) {
    fits[j] = fit_affine(x + j * format.sub_block, w + j * format.sub_block, format.sub_block,
                         (1 << format.code_bits) - 1, !format.has_scales);
    largest_scale = std::max(largest_scale, fits[j].scale);
    if (std::fabs(fits[j].min) > std::fabs(largest_min)) largest_min = fits[j].min;
  }
  out.d = float_to_half(largest_scale / static_cast<float>(highest));
  out.d_min = float_to_half(largest_min / static_cast<float>(highest));
  const float d = half_to_float(out.d), d_min = half_to_float(out.d_min);
  for (int j = 0; j < n_sub; ++j) {
    out.scales[j] = static_cast<int8_t>(d == 0 ? 0 : clamp(round_to_int(fits[j].scale / d), 0, highest));
    out.mins[j] = static_cast<uint8_t>(d_min == 0 ? 0 : clamp(round_to_int(fits[j].min / d_min), 0, highest));
  }
  if (!format.has_scales) out.scales[0] = out.mins[0] = 1;  // not stored: they are 1
  settle_affine(format, x, w, out);
}

}  // namespace

void quantize_block(const IntegerFormat& format, const float* x, const float* w, IntegerBlock& out) {
  switch (format.type) {
    case TensorType::kQ8_0:
      return quantize_q8_0(x, out);
    case TensorType::kMXFP4:
      return quantize_mxfp4(format, x, w, out);
    case TensorType::kQ3_K:
    case TensorType::kIQ4_XS:
      return quantize_scaled(format, x, w, -32, out);
    case TensorType::kQ6_K:
      return quantize_scaled(format, x, w, -128, out);
    case TensorType::kQ2_K:
      return quantize_affine(format, x, w, 15, out);
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
      return quantize_affine(format, x, w, 63, out);
    default:
      return format.has_min ? quantize_affine(format, x, w, 1, out) : quantize_plain(format, x, w, out);
  }
}

}  // namespace da::quant
