#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "chat/jinja/interpreter.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {
namespace {

// Digits with single underscores between them removed; false if they stand elsewhere.
bool drop_underscores(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      bool inside = i > 0 && i + 1 < text.size() && std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0 &&
                    std::isalnum(static_cast<unsigned char>(text[i + 1])) != 0;
      if (!inside) {
        return false;
      }
      continue;
    }
    out += text[i];
  }
  return true;
}

// int(text, base) for base 2 to 36, or 0 to read the prefix.
bool parse_int(std::string_view text, int base, BigInt& out) {
  std::string digits;
  text = unicode::strip(text);
  bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    text.remove_prefix(1);
  }
  if (text.size() > 2 && text[0] == '0') {
    char mark = static_cast<char>(text[1] | 0x20);
    int prefixed = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (prefixed != 0 && (base == prefixed || base == 0)) {
      base = prefixed;
      text.remove_prefix(text[2] == '_' ? 3 : 2);
    }
  }
  base = base == 0 ? 10 : base;
  if (base < 2 || base > 36 || !drop_underscores(text, digits) || digits.empty()) {
    return false;
  }
  out = 0;
  for (char c : digits) {
    char lower = static_cast<char>(c | 0x20);
    int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
    if (digit >= base || __builtin_mul_overflow(out, BigInt(base), &out) ||
        __builtin_add_overflow(out, BigInt(digit), &out)) {
      return false;
    }
  }
  out = negative ? -out : out;
  return true;
}

bool parse_float(std::string_view text, double& out) {
  std::string digits;
  if (!drop_underscores(unicode::strip(text), digits) || digits.empty()) {
    return false;
  }
  std::string lower = unicode::lower(digits);
  std::string_view bare = lower;
  if (bare[0] == '-' || bare[0] == '+') {
    bare.remove_prefix(1);
  }
  if (bare == "inf" || bare == "infinity" || bare == "nan") {
    out = bare == "nan" ? std::nan("") : lower[0] == '-' ? -HUGE_VAL : HUGE_VAL;
    return true;
  }
  // from_chars knows no sign of plus; what overflows is an infinity, as in Python.
  auto [end, error] = std::from_chars(bare.data(), bare.data() + bare.size(), out);
  if (end != bare.data() + bare.size() || error == std::errc::invalid_argument || bare[0] == '-') {
    return false;
  }
  if (error == std::errc::result_out_of_range) {
    out = std::strtod(std::string(bare).c_str(), nullptr);
  }
  out = lower[0] == '-' ? -out : out;
  return true;
}

// Truncates towards zero; false: not finite, or too large.
bool truncate_float(double value, BigInt& out) {
  if (!std::isfinite(value) || std::fabs(value) > 1e38) {
    return false;
  }
  out = static_cast<BigInt>(value);
  return true;
}

Value filter_int(NativeCall& call) {
  Value otherwise = call.has(0) ? call.arg(0) : Value::of_int(0);
  BigInt result = 0;
  if (call.self.is_integral()) {
    return Value::of_int(call.self.as_int());
  }
  double real = 0;
  if (call.self.is_string()) {
    int base = call.has(1) && call.arg(1).is_integral() ? static_cast<int>(call.arg(1).as_int()) : 10;
    if (parse_int(call.self.str(), base, result)) {
      return Value::of_int(result);
    }
    return parse_float(call.self.str(), real) && truncate_float(real, result) ? Value::of_int(result) : otherwise;
  }
  if (call.self.is_undefined()) {
    return call.in.fail_undefined(call.self);
  }
  return call.self.kind == Kind::kFloat && truncate_float(call.self.real, result) ? Value::of_int(result) : otherwise;
}

Value filter_float(NativeCall& call) {
  Value otherwise = call.has(0) ? call.arg(0) : Value::of_float(0);
  if (call.self.is_number()) {
    return Value::of_float(call.self.as_double());
  }
  if (call.self.is_undefined()) {
    return call.in.fail_undefined(call.self);
  }
  double real = 0;
  return call.self.is_string() && parse_float(call.self.str(), real) ? Value::of_float(real) : otherwise;
}

Value filter_abs(NativeCall& call) {
  if (call.self.is_integral()) {
    BigInt value = call.self.as_int();
    return Value::of_int(value < 0 ? -value : value);
  }
  if (call.self.kind == Kind::kFloat) {
    return Value::of_float(std::fabs(call.self.real));
  }
  return call.self.is_undefined() ? call.in.fail_undefined(call.self) : call.in.fail_type("number", call.self);
}

// Rounds half to even in decimal, exactly: the C library prints the binary value's true digits.
double round_decimal(double value, int precision) {
  if (!std::isfinite(value) || precision > 308) {
    return value;
  }
  if (precision < 0) {
    double scale = std::pow(10.0, -precision);
    return std::isfinite(scale) ? std::nearbyint(value / scale) * scale : 0.0;
  }
  char buffer[700];
  std::snprintf(buffer, sizeof(buffer), "%.*f", precision, value);
  return std::strtod(buffer, nullptr);
}

BigInt round_integer(BigInt value, int digits) {
  BigInt scale = 1;
  for (int i = 0; i < digits; ++i) {
    if (__builtin_mul_overflow(scale, BigInt(10), &scale)) {
      return 0;
    }
  }
  BigInt rest = ((value % scale) + scale) % scale;
  BigInt low = value - rest;
  bool up = rest * 2 > scale || (rest * 2 == scale && (low / scale) % 2 != 0);
  return up ? low + scale : low;
}

Value filter_round(NativeCall& call) {
  std::string_view method = call.has(1) ? call.in.str(call.arg(1)) : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    return call.in.fail("method must be common, ceil or floor");
  }
  if (call.self.is_undefined()) {
    return call.in.fail_undefined(call.self);
  }
  if (!call.self.is_number() || (call.has(0) && !call.arg(0).is_integral())) {
    return call.in.fail_type("number", call.self);
  }
  BigInt wanted = call.has(0) ? call.arg(0).as_int() : 0;
  int precision = static_cast<int>(wanted < -400 ? -400 : wanted > 400 ? 400 : wanted);
  if (method == "common") {
    if (call.self.is_integral()) {
      return Value::of_int(precision >= 0 ? call.self.as_int() : round_integer(call.self.as_int(), -precision));
    }
    return Value::of_float(round_decimal(call.self.real, precision));
  }
  double scale = std::pow(10.0, precision);
  double scaled = call.self.as_double() * scale;
  return Value::of_float((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value filter_filesizeformat(NativeCall& call) {
  bool binary = call.has(0) && truthy(call.arg(0));
  double bytes = 0;
  if (call.self.is_number()) {
    bytes = call.self.as_double();
  } else if (!call.self.is_string() || !parse_float(call.self.str(), bytes)) {
    return call.in.fail_type("number", call.self);
  }
  double base = binary ? 1024 : 1000;
  if (bytes == 1) {
    return Value::of_text("1 Byte");
  }
  if (bytes < base) {
    return call.in.text(int_text(static_cast<BigInt>(bytes)) + " Bytes");
  }
  static constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  size_t index = 0;
  do {
    unit *= base;
  } while (bytes >= unit && ++index < kPrefixes.size());
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), "%.1f ", base * bytes / unit);
  std::string prefix(1, binary && index == 0 ? 'K' : kPrefixes[std::min(index, kPrefixes.size() - 1)]);
  return call.in.text(buffer + prefix + (binary ? "iB" : "B"));
}

constexpr NativeSpec kFilters[] = {
    {"int", "default,base", 0, filter_int},
    {"float", "default", 0, filter_float},
    {"abs", "", 0, filter_abs},
    {"round", "precision,method", 0, filter_round},
    {"filesizeformat", "binary", 0, filter_filesizeformat},
};

}  // namespace

NativeTable number_filters() { return {kFilters, std::size(kFilters)}; }

}  // namespace da::chat::jinja
