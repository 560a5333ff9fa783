#include "chat/number_text.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace da::chat {
namespace {

// digits with the point after `exponent` digits; `point_zero` writes 1.0 for integers.
std::string fixed_form(const ShortestDigits& number, bool point_zero) {
  std::string text = number.negative ? "-" : "";
  int count = static_cast<int>(number.digits.size());
  if (number.exponent <= 0) {
    text += "0.";
    text.append(static_cast<size_t>(-number.exponent), '0');
    text += number.digits;
  } else if (number.exponent >= count) {
    text += number.digits;
    text.append(static_cast<size_t>(number.exponent - count), '0');
    if (point_zero) {
      text += ".0";
    }
  } else {
    text.append(number.digits, 0, static_cast<size_t>(number.exponent));
    text += '.';
    text.append(number.digits, static_cast<size_t>(number.exponent));
  }
  return text;
}

// d.ddde±XX with at least `min_exponent_digits` exponent digits.
std::string exponent_form(const ShortestDigits& number, size_t min_exponent_digits) {
  std::string text = number.negative ? "-" : "";
  text += number.digits[0];
  if (number.digits.size() > 1) {
    text += '.';
    text.append(number.digits, 1);
  }
  int exponent = number.exponent - 1;
  text += exponent < 0 ? "e-" : "e+";
  std::string power = std::to_string(std::abs(exponent));
  if (power.size() < min_exponent_digits) {
    text.append(min_exponent_digits - power.size(), '0');
  }
  return text + power;
}

bool is_zero(const ShortestDigits& number) { return number.digits == "0"; }

}  // namespace

ShortestDigits shortest_digits(double value) {
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  ShortestDigits result;
  if (text.front() == '-') {
    result.negative = true;
    text.remove_prefix(1);
  }
  size_t mark = text.find('e');
  for (char c : text.substr(0, mark)) {
    if (c != '.') {
      result.digits += c;
    }
  }
  std::string_view power = text.substr(mark + 1);
  if (power.front() == '+') {
    power.remove_prefix(1);
  }
  std::from_chars(power.data(), power.data() + power.size(), result.exponent);
  result.exponent += 1;
  return result;
}

std::string python_float(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-inf" : "inf";
  }
  ShortestDigits number = shortest_digits(value);
  if (is_zero(number) || (number.exponent > -4 && number.exponent <= 16)) {
    return fixed_form(number, true);
  }
  return exponent_form(number, 2);
}

std::string go_float(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-Inf" : "+Inf";
  }
  ShortestDigits number = shortest_digits(value);
  // %v is %g with the shortest digits; the exponent form starts as if the precision were 6.
  if (is_zero(number) || (number.exponent > -4 && number.exponent <= 6)) {
    return fixed_form(number, false);
  }
  return exponent_form(number, 2);
}

std::string go_json_float(double value) {
  ShortestDigits number = shortest_digits(value);
  double magnitude = std::fabs(value);
  if (is_zero(number) || (magnitude >= 1e-6 && magnitude < 1e21)) {
    return fixed_form(number, false);
  }
  return exponent_form(number, 1);
}

}  // namespace da::chat
