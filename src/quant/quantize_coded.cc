// Ternary digits, signs, and 4-bit floats with small floats for scales; quantize_books.cc has the formats with code
// books. Each function mirrors the one of its format in coded_blocks.cc, which states the layout.
#include "quant/quantize_coded.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "base/result.h"
#include "quant/quant.h"
#include "quant/quantize_books.h"

namespace da::quant {
namespace {

using gguf::TensorType;

void write_half(float value, uint8_t* bytes) {
  const uint16_t half = float_to_half(value);
  std::memcpy(bytes, &half, sizeof(half));
}

// Q1_0: the sign of each value; d is their mean magnitude.
void quantize_q1_0(const float* x, const float* w, uint8_t* b) {
  double sum = 0, weights = 0;
  for (int i = 0; i < 128; ++i) {
    sum += static_cast<double>(w[i] * std::fabs(x[i]));
    weights += static_cast<double>(w[i]);
  }
  write_half(static_cast<float>(sum / weights), b);
  for (int i = 0; i < 128; ++i) b[2 + i / 8] |= static_cast<uint8_t>((x[i] >= 0 ? 1 : 0) << (i % 8));
}

// The scale, of either sign, with the least error for codes from low to high.
float best_wide_scale(const float* x, const float* w, int n, int low, int high) {
  float largest = 0;
  for (int i = 0; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
  if (largest == 0 || !std::isfinite(1.0F / largest)) return 0;
  double best = 0;
  float scale = 0;
  const auto consider = [&](float inverse) {
    double xc = 0, cc = 0;
    for (int i = 0; i < n; ++i) {
      const float code = std::clamp(std::nearbyint(x[i] * inverse), static_cast<float>(low), static_cast<float>(high));
      xc += static_cast<double>(w[i] * x[i] * code);
      cc += static_cast<double>(w[i] * code * code);
    }
    if (cc == 0 || xc * xc / cc <= best) return;
    best = xc * xc / cc;
    scale = static_cast<float>(xc / cc);
  };
  for (int step = 1; step <= 40; ++step) {
    const float inverse = 0.1F * static_cast<float>(step) / largest;
    consider(inverse);
    consider(-inverse);
  }
  for (int round = 0; round < 2; ++round) consider(1.0F / scale);
  return scale;
}

// Q2_0: -1, 0, 1, 2 times d, which may be negative.
void quantize_q2_0(const float* x, const float* w, uint8_t* b) {
  const float d = half_to_float(float_to_half(best_wide_scale(x, w, 64, -1, 2)));
  write_half(d, b);
  for (int i = 0; i < 64; ++i) {
    const float code = d == 0 ? 0.0F : std::clamp(std::nearbyint(x[i] / d), -1.0F, 2.0F);
    b[2 + i / 4] |= static_cast<uint8_t>((static_cast<int>(code) + 1) << (i % 4 * 2));
  }
}

// -1, 0 and 1: the values that stay are the largest, as many as take the most error off. Returns d.
float ternary_codes(const float* x, const float* w, int8_t* codes) {
  int order[256];
  for (int i = 0; i < 256; ++i) order[i] = i;
  std::sort(order, order + 256, [&](int a, int c) { return std::fabs(x[a]) > std::fabs(x[c]); });
  double sum = 0, weights = 0, best = 0, d = 0;
  for (int i = 0; i < 256; ++i) {
    sum += static_cast<double>(w[order[i]] * std::fabs(x[order[i]]));
    weights += static_cast<double>(w[order[i]]);
    if (sum * sum / weights <= best) continue;
    best = sum * sum / weights;
    d = sum / weights;
  }
  const float stored = half_to_float(float_to_half(static_cast<float>(d)));
  for (int i = 0; i < 256; ++i) {
    const bool is_zero = std::fabs(x[i]) * 2 <= stored || stored == 0;
    codes[i] = static_cast<int8_t>(is_zero ? 0 : x[i] > 0 ? 1 : -1);
  }
  return stored;
}

void quantize_tq2_0(const float* x, const float* w, uint8_t* b) {
  int8_t codes[256];
  write_half(ternary_codes(x, w, codes), b + 64);
  for (int i = 0; i < 256; ++i) {
    b[i / 128 * 32 + i % 32] |= static_cast<uint8_t>((codes[i] + 1) << (i / 32 % 4 * 2));
  }
}

void quantize_tq1_0(const float* x, const float* w, uint8_t* b) {
  int8_t codes[256];
  write_half(ternary_codes(x, w, codes), b + 52);
  const int8_t* from = codes;
  // Five digits make a number below 243; the byte is its share of 256, rounded up, so that no digit is lost.
  const auto digits = [&](uint8_t* bytes, int n_bytes, int n_digits) {
    for (int i = 0; i < n_bytes; ++i) {
      int number = 0;
      for (int digit = 0; digit < 5; ++digit)
        number = number * 3 + (digit < n_digits ? from[digit * n_bytes + i] + 1 : 0);
      bytes[i] = static_cast<uint8_t>((number * 256 + 242) / 243);
    }
    from += n_bytes * n_digits;
  };
  digits(b, 32, 5);
  digits(b + 32, 16, 5);
  digits(b + 48, 4, 4);
}

// The value of a scale's 7 bits, as in coded_blocks.cc; 0x7F is no number.
float small_float(int bits) {
  const int exponent = bits >> 3, fraction = bits & 7;
  return exponent == 0 ? std::ldexp(static_cast<float>(fraction), -9)
                       : std::ldexp(static_cast<float>(8 + fraction), exponent - 10);
}

uint8_t nearest_fp4(float x) {
  constexpr float kMiddles[7] = {0.5F, 1.5F, 2.5F, 3.5F, 5.0F, 7.0F, 10.0F};  // of 0, 1, 2, 3, 4, 6, 8, 12
  uint8_t code = 0;
  for (const float middle : kMiddles) code += std::fabs(x) > middle ? 1 : 0;
  return static_cast<uint8_t>(code | (x < 0 && code > 0 ? 8 : 0));
}

void quantize_nvfp4(const float* x, const float* w, uint8_t* b) {
  constexpr float kDoubled[8] = {0, 1, 2, 3, 4, 6, 8, 12};
  for (int sub = 0; sub < 4; ++sub, x += 16, w += 16) {
    float largest = 0;
    for (int i = 0; i < 16; ++i) largest = std::max(largest, std::fabs(x[i]));
    int nearest = 0;
    while (nearest < 0x7E && small_float(nearest) * 6 < largest) ++nearest;
    double least = INFINITY;
    uint8_t best_codes[16] = {};
    for (int bits = std::max(nearest - 5, 0); bits <= std::min(nearest + 2, 0x7E); ++bits) {
      const float step = small_float(bits) * 0.5F;
      uint8_t codes[16];
      double error = 0;
      for (int i = 0; i < 16; ++i) {
        codes[i] = step == 0 ? 0 : nearest_fp4(x[i] / step);
        const float value = step * kDoubled[codes[i] & 7] * ((codes[i] & 8) != 0 ? -1.0F : 1.0F);
        error += static_cast<double>(w[i] * (x[i] - value) * (x[i] - value));
      }
      if (error >= least) continue;
      least = error;
      b[sub] = static_cast<uint8_t>(bits);
      std::copy_n(codes, 16, best_codes);
    }
    for (int i = 0; i < 8; ++i) b[4 + sub * 8 + i] = static_cast<uint8_t>(best_codes[i] | best_codes[i + 8] << 4);
  }
}

using Quantize = void (*)(const float* x, const float* w, uint8_t* block);

Quantize quantize_of(TensorType type) {
  switch (type) {
    case TensorType::kQ1_0:
      return quantize_q1_0;
    case TensorType::kQ2_0:
      return quantize_q2_0;
    case TensorType::kTQ1_0:
      return quantize_tq1_0;
    case TensorType::kTQ2_0:
      return quantize_tq2_0;
    case TensorType::kNVFP4:
      return quantize_nvfp4;
    default:
      return nullptr;  // the enum is the file format's
  }
}

}  // namespace

bool can_quantize_coded(TensorType type) { return quantize_of(type) != nullptr || has_code_book(type); }

void quantize_coded(TensorType type, const float* x, const float* w, std::byte* block) {
  auto* b = reinterpret_cast<uint8_t*>(block);
  std::memset(b, 0, gguf::tensor_type_info(type).bytes_per_block);
  if (has_code_book(type)) return quantize_with_book(type, x, w, b);
  const Quantize quantize = quantize_of(type);
  DA_CHECK(quantize != nullptr);
  quantize(x, w, b);
}

}  // namespace da::quant
