#include "engine/grammar/decimal_range.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace da::grammar {
namespace {

using Wide = unsigned __int128;

constexpr int kFractionDigits = 6;
constexpr int64_t kScale = DecimalRange::kScale;
constexpr double kLargest = 1e12;  // scaled it still fits 64 bits

Wide power_of_ten(int exponent) {
  Wide power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

// The double a JSON reader makes of scaled / 10^6.
double read_back(int64_t scaled) {
  char text[48];
  const uint64_t magnitude = scaled < 0 ? 0 - static_cast<uint64_t>(scaled) : static_cast<uint64_t>(scaled);
  std::snprintf(text, sizeof text, "%s%llu.%06llu", scaled < 0 ? "-" : "",
                static_cast<unsigned long long>(magnitude / kScale),
                static_cast<unsigned long long>(magnitude % kScale));
  return std::strtod(text, nullptr);
}

}  // namespace

DecimalRange::DecimalRange(int fraction_digits, __int128 low, __int128 high) : fraction_digits_(fraction_digits) {
  if (high >= 0) {
    positive_ = {static_cast<uint64_t>(std::max<__int128>(low, 0)), static_cast<uint64_t>(high)};
  }
  if (low < 0) {
    negative_ = {static_cast<uint64_t>(std::max<__int128>(-high, 1)), static_cast<uint64_t>(-low)};
  }
}

std::optional<DecimalRange> DecimalRange::integers(int64_t low, int64_t high) {
  if (low > high) return std::nullopt;
  return DecimalRange(0, low, high);
}

std::optional<DecimalRange> DecimalRange::decimals(double low, bool exclude_low, double high, bool exclude_high) {
  if (!(low <= high) || low > kLargest || high < -kLargest) return std::nullopt;
  auto low_scaled = static_cast<int64_t>(std::floor(std::max(low, -kLargest) * kScale));
  auto high_scaled = static_cast<int64_t>(std::ceil(std::min(high, kLargest) * kScale));
  // The product above is rounded: settle the last unit with what a reader will see.
  const auto too_low = [&](int64_t v) {
    const double d = read_back(v);
    return exclude_low ? d <= low : d < low;
  };
  const auto too_high = [&](int64_t v) {
    const double d = read_back(v);
    return exclude_high ? d >= high : d > high;
  };
  while (low_scaled <= high_scaled && too_low(low_scaled)) ++low_scaled;
  while (low_scaled <= high_scaled && too_high(high_scaled)) --high_scaled;
  if (low_scaled > high_scaled) return std::nullopt;
  return DecimalRange(kFractionDigits, low_scaled, high_scaled);
}

bool DecimalRange::meets(bool negative, Wide low, Wide high) const {
  const Side& s = side(negative);
  if (s.low > s.high || low > s.high || high < s.low) return false;
  const auto step = static_cast<Wide>(step_);
  return (std::max<Wide>(low, s.low) + step - 1) / step * step <= std::min<Wide>(high, s.high);
}

bool DecimalRange::set_step(int64_t step) {
  step_ = step;
  const auto any = [&](bool negative) { return meets(negative, side(negative).low, side(negative).high); };
  if (!any(false)) positive_ = {};
  if (!any(true)) negative_ = {};
  return has_sign(false) || has_sign(true);
}

bool DecimalRange::integer_viable(bool negative, uint64_t value) const {
  const Side& s = side(negative);
  Wide unit = power_of_ten(fraction_digits_);
  if (value == 0) return meets(negative, 0, unit - 1);
  for (Wide low = value * unit; low <= s.high; low *= 10, unit *= 10) {
    if (meets(negative, low, low + unit - 1)) return true;
  }
  return false;
}

bool DecimalRange::fraction_viable(bool negative, uint64_t value, int n_fraction) const {
  if (n_fraction > fraction_digits_) return false;
  const Wide unit = power_of_ten(fraction_digits_ - n_fraction);
  return meets(negative, value * unit, value * unit + unit - 1);
}

uint32_t DecimalRange::bytes_from_start(bool negative) const {
  uint32_t least = 64;
  for (uint64_t digit = 0; digit <= 9; ++digit) {
    if (integer_viable(negative, digit)) least = std::min(least, 1 + bytes_from_integer(negative, digit));
  }
  return least;
}

uint32_t DecimalRange::bytes_from_integer(bool negative, uint64_t value) const {
  const Side& s = side(negative);
  const Wide unit = power_of_ten(fraction_digits_);
  uint32_t least = 64;
  for (uint32_t n = 0; n <= 19 && value * power_of_ten(static_cast<int>(n)) * unit <= s.high; ++n) {
    const Wide low = value * power_of_ten(static_cast<int>(n)), high = low + power_of_ten(static_cast<int>(n)) - 1;
    // Whole numbers between low and high; those with a point are looked for from the smallest and the largest of them.
    const Wide step = std::max<Wide>(1, static_cast<Wide>(step_) / unit);
    const Wide whole = (std::max(low, (s.low + unit - 1) / unit) + step - 1) / step * step;
    if (whole <= high && meets(negative, whole * unit, whole * unit)) least = std::min(least, n);
    for (const Wide before : {std::max<Wide>(low, s.low / unit), low}) {
      if (fraction_digits_ == 0 || before > high) continue;
      const uint32_t fraction = bytes_from_fraction(negative, static_cast<uint64_t>(before), 0);
      least = std::min(least, n + 1 + fraction);
    }
    if (value == 0 || least < 64) break;
  }
  return least;
}

uint32_t DecimalRange::bytes_from_fraction(bool negative, uint64_t value, int n_fraction) const {
  const Side& s = side(negative);
  for (int n = n_fraction == 0 ? 1 : 0; n_fraction + n <= fraction_digits_; ++n) {
    // Numbers that end after n more digits are multiples of `step`.
    const Wide step = std::max(power_of_ten(fraction_digits_ - n_fraction - n), static_cast<Wide>(step_));
    const Wide low = value * power_of_ten(fraction_digits_ - n_fraction),
               high = low + power_of_ten(fraction_digits_ - n_fraction) - 1;
    const Wide first = (std::max<Wide>(low, s.low) + step - 1) / step * step;
    if (s.low <= s.high && first <= high && first <= s.high) return static_cast<uint32_t>(n);
  }
  return 64;
}

bool DecimalRange::contains(bool negative, uint64_t value, int n_fraction) const {
  const Wide scaled = value * power_of_ten(fraction_digits_ - n_fraction);
  return meets(negative, scaled, scaled);
}

}  // namespace da::grammar
