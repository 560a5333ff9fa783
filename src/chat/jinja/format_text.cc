#include "chat/jinja/format_text.h"

#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "chat/jinja/interpreter.h"
#include "chat/number_text.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {
namespace {

std::string digits_in_base(BigInt value, unsigned base, bool upper) {
  const char* alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string digits;
  do {
    digits.insert(digits.begin(), alphabet[static_cast<size_t>(value % base)]);
    value /= base;
  } while (value > 0);
  return digits;
}

// Separators every `size` digits of the integer part.
std::string group_digits(std::string digits, char separator, size_t size) {
  size_t end = 0;
  while (end < digits.size() && std::isalnum(static_cast<unsigned char>(digits[end])) != 0 && digits[end] != 'e') {
    ++end;
  }
  for (size_t i = end; i > size; i -= size) {
    digits.insert(i - size, 1, separator);
  }
  return digits;
}

std::string float_digits(double magnitude, const FormatSpec& spec, char type) {
  if (!std::isfinite(magnitude)) {
    std::string word = std::isnan(magnitude) ? "nan" : "inf";
    return type == 'E' || type == 'F' || type == 'G' ? unicode::upper(word) : word;
  }
  int precision = spec.precision;
  char verb = type;
  if (type == '\0') {
    if (precision < 0) {
      return python_float(magnitude);
    }
    verb = 'g';
    precision = precision == 0 ? 1 : precision;
  }
  if (type == '%') {
    magnitude *= 100;
    verb = 'f';
  }
  verb = verb == 'n' ? 'g' : verb;
  precision = precision < 0 ? 6 : precision;
  char pattern[16];
  std::snprintf(pattern, sizeof(pattern), "%%%s.*%c", spec.alternate ? "#" : "", verb);
  std::string buffer(static_cast<size_t>(precision) + 400, '\0');
  int size = std::snprintf(buffer.data(), buffer.size(), pattern, precision, magnitude);
  buffer.resize(static_cast<size_t>(size));
  if (type == '\0' && buffer.find_first_of(".e") == std::string::npos) {
    buffer += ".0";
  }
  return type == '%' ? buffer + '%' : buffer;
}

}  // namespace

bool append_aligned(Interpreter& in, std::string& out, std::string_view text, const FormatSpec& spec,
                    char default_align) {
  std::vector<size_t> offsets;
  if (spec.precision >= 0 && default_align == '<') {
    offsets = unicode::offsets(text);
    auto wanted = static_cast<size_t>(spec.precision);
    text = wanted + 1 < offsets.size() ? text.substr(0, offsets[wanted]) : text;
  }
  auto length = static_cast<long long>(unicode::length(text));
  long long padding = spec.width > length ? spec.width - length : 0;
  if (padding > static_cast<long long>(in.max_text_bytes())) {
    in.fail("text grows beyond the limit", ErrorCode::kResourceExhausted);
    return false;
  }
  char align = spec.align == '\0' ? default_align : spec.align;
  long long left = align == '<' ? 0 : align == '^' ? padding / 2 : padding;
  // '=' pads between the sign and the digits.
  size_t sign = align == '=' && !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
  if (align == '=' && text.size() > sign + 1 && text[sign] == '0' &&
      std::isalpha(static_cast<unsigned char>(text[sign + 1])) != 0) {
    sign += 2;
  }
  out += text.substr(0, sign);
  for (long long i = 0; i < left; ++i) {
    out += spec.fill;
  }
  out += text.substr(sign);
  for (long long i = left; i < padding; ++i) {
    out += spec.fill;
  }
  return true;
}

bool append_number(Interpreter& in, std::string& out, const Value& value, const FormatSpec& spec) {
  char type = spec.type;
  bool as_float =
      value.kind == Kind::kFloat || (type != '\0' && std::string_view("eEfFgG%").find(type) != std::string_view::npos);
  std::string body;
  bool negative = false;
  if (as_float) {
    if (type != '\0' && std::string_view("eEfFgGn%").find(type) == std::string_view::npos) {
      in.fail(std::string("Unknown format code '") + type + "' for object of type 'float'");
      return false;
    }
    double real = value.as_double();
    negative = std::signbit(real) && !std::isnan(real);
    body = float_digits(std::fabs(real), spec, type);
    if (spec.grouping != '\0') {
      body = group_digits(body, spec.grouping, 3);
    }
  } else {
    BigInt number = value.as_int();
    negative = number < 0;
    BigInt magnitude = negative ? -number : number;
    std::string prefix;
    switch (type) {
      case '\0':
      case 'd':
      case 'n':
        body = int_text(magnitude);
        break;
      case 'x':
      case 'X':
        body = digits_in_base(magnitude, 16, type == 'X');
        prefix = type == 'X' ? "0X" : "0x";
        break;
      case 'o':
        body = digits_in_base(magnitude, 8, false);
        prefix = "0o";
        break;
      case 'b':
        body = digits_in_base(magnitude, 2, false);
        prefix = "0b";
        break;
      case 'c':
        if (number < 0 || number > 0x10FFFF) {
          in.fail("%c arg not in range(0x110000)");
          return false;
        }
        utf8::append(body, static_cast<char32_t>(number));
        return append_aligned(in, out, body, spec, '>');
      default:
        in.fail(std::string("Unknown format code '") + type + "' for object of type 'int'");
        return false;
    }
    if (spec.grouping != '\0') {
      body = group_digits(body, spec.grouping, type == '\0' || type == 'd' || type == 'n' ? 3 : 4);
    }
    // printf's precision of integers: at least that many digits.
    if (spec.precision > static_cast<int>(body.size())) {
      body.insert(0, static_cast<size_t>(spec.precision) - body.size(), '0');
    }
    body = spec.alternate ? prefix + body : body;
  }
  std::string text = negative ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
  text += body;
  return append_aligned(in, out, text, spec, '>');
}

}  // namespace da::chat::jinja
