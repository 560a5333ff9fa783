#pragma once

#include <cstdint>
#include <optional>

namespace da::grammar {

// The decimal numbers between two bounds with at most `fraction_digits` digits after the point, and which beginnings of
// such numbers can still be completed. Magnitudes are scaled by 10^fraction_digits. Minus zero is left out.
class DecimalRange {
 public:
  // Whole numbers in [low, high]; nullopt if there are none.
  static std::optional<DecimalRange> integers(int64_t low, int64_t high);
  // Decimals whose nearest double d has low <= d <= high (< or > for an excluded bound). Bounds beyond 10^12 are cut
  // there. nullopt if no number of six fraction digits lies between.
  static std::optional<DecimalRange> decimals(double low, bool exclude_low, double high, bool exclude_high);

  static constexpr int64_t kScale = 1000000;  // of decimals

  // Only multiples of `step`, in units of the last digit; false if there are none in the range.
  bool set_step(int64_t step);
  int fraction_digits() const { return fraction_digits_; }
  bool has_sign(bool negative) const { return side(negative).low <= side(negative).high; }
  // Whether digits `value` before the point can be continued by digits, a point, or nothing. 0 takes no further digit.
  bool integer_viable(bool negative, uint64_t value) const;
  // The same after the point; `value` holds all digits, `n_fraction` of them after the point.
  bool fraction_viable(bool negative, uint64_t value, int n_fraction) const;
  // Bytes of about the shortest way to complete it: from before its first digit (after a sign, if negative), after
  // `value` before the point, after the point. 64 or more if there is none.
  uint32_t bytes_from_start(bool negative) const;
  uint32_t bytes_from_integer(bool negative, uint64_t value) const;
  uint32_t bytes_from_fraction(bool negative, uint64_t value, int n_fraction) const;
  // Whether the number may end here.
  bool contains(bool negative, uint64_t value, int n_fraction) const;

 private:
  struct Side {
    uint64_t low = 1, high = 0;  // magnitudes, empty if low > high
  };
  DecimalRange(int fraction_digits, __int128 low, __int128 high);
  const Side& side(bool negative) const { return negative ? negative_ : positive_; }
  bool meets(bool negative, unsigned __int128 low, unsigned __int128 high) const;

  int fraction_digits_;
  int64_t step_ = 1;
  Side positive_, negative_;
};

}  // namespace da::grammar
