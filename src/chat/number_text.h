#pragma once

#include <string>

namespace da::chat {

// The shortest decimal digits that read back as the same double: value = ±0.d1d2d3… × 10^exponent.
struct ShortestDigits {
  bool negative = false;
  std::string digits;  // at least one
  int exponent = 0;    // position of the decimal point relative to the first digit
};
// `value` must be finite.
ShortestDigits shortest_digits(double value);

// Python's repr(float): 1.0, 1e-07, 1e+16, inf, nan.
std::string python_float(double value);
// Go's fmt verb %v for float64: 1, 1e+06, 2.5, +Inf, NaN.
std::string go_float(double value);
// Go's encoding/json for a finite float64: 1, 1e-7, 1e+21.
std::string go_json_float(double value);

}  // namespace da::chat
