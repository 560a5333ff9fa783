#include "chat/jinja/literals.h"

#include <cstdlib>

#include "base/utf8.h"

namespace da::chat::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_digit(char c) {
  if (is_digit(c)) {
    return c - '0';
  }
  char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

Result<size_t> read_number(std::string_view source, size_t p, Token& token) {
  auto at = [&](size_t position) { return position < source.size() ? source[position] : '\0'; };
  auto digits = [&](size_t from, auto accept) {
    size_t q = from;
    while (accept(at(q)) || (at(q) == '_' && accept(at(q + 1)))) {
      ++q;
    }
    return q;
  };
  auto decimal = [](char c) { return is_digit(c); };
  // A float needs a fraction or an exponent, and does not follow a point (x.0.1 is two subscripts).
  size_t end = digits(p, decimal);
  size_t float_end = end;
  if (at(end) == '.' && is_digit(at(end + 1))) {
    float_end = digits(end + 1, decimal);
  }
  size_t mantissa_end = float_end;
  if ((at(mantissa_end) | 0x20) == 'e') {
    size_t q = mantissa_end + 1;
    q += at(q) == '+' || at(q) == '-';
    if (is_digit(at(q))) {
      float_end = digits(q, decimal);
    }
  }
  if (float_end > end && (p == 0 || source[p - 1] != '.')) {
    std::string text;
    for (char c : source.substr(p, float_end - p)) {
      if (c != '_') {
        text += c;
      }
    }
    token.type = TokenType::kFloat;
    token.real = std::strtod(text.c_str(), nullptr);
    return float_end;
  }
  int base = 10;
  if (at(p) == '0') {
    char mark = static_cast<char>(at(p + 1) | 0x20);
    int prefixed = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
    auto accept = [&](char c) { return hex_digit(c) >= 0 && hex_digit(c) < prefixed; };
    if (prefixed != 10 && (accept(at(p + 2)) || (at(p + 2) == '_' && accept(at(p + 3))))) {
      base = prefixed;
      end = digits(p + 2, accept);
    } else {
      end = digits(p, [](char c) { return c == '0'; });
    }
  }
  for (char c : source.substr(base == 10 ? p : p + 2, end - (base == 10 ? p : p + 2))) {
    if (c != '_' && (__builtin_mul_overflow(token.integer, BigInt(base), &token.integer) ||
                     __builtin_add_overflow(token.integer, BigInt(hex_digit(c)), &token.integer))) {
      return Status(ErrorCode::kCorruptData, "integer too large");
    }
  }
  token.type = TokenType::kInteger;
  return end;
}

Status unescape(std::string_view body, std::string& out) {
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\' || i + 1 >= body.size()) {
      out += body[i];
      continue;
    }
    char c = body[++i];
    size_t hex_length = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (hex_length > 0) {
      char32_t code_point = 0;
      for (size_t k = 0; k < hex_length; ++k) {
        int digit = ++i < body.size() ? hex_digit(body[i]) : -1;
        if (digit < 0) {
          return {ErrorCode::kCorruptData, "truncated escape in string"};
        }
        code_point = code_point * 16 + static_cast<char32_t>(digit);
      }
      if (code_point > 0x10FFFF) {
        return {ErrorCode::kCorruptData, "illegal Unicode character in string"};
      }
      utf8::append(out, code_point);
      continue;
    }
    if (c >= '0' && c <= '7') {
      char32_t code_point = 0;
      size_t last = i + 3;
      while (i < last && i < body.size() && body[i] >= '0' && body[i] <= '7') {
        code_point = code_point * 8 + static_cast<char32_t>(body[i++] - '0');
      }
      --i;
      utf8::append(out, code_point);
      continue;
    }
    switch (c) {
      case '\n':
        break;
      case '\\':
      case '\'':
      case '"':
        out += c;
        break;
      case 'a':
        out += '\a';
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'v':
        out += '\v';
        break;
      case 'N':
        return {ErrorCode::kCorruptData, "named characters in strings are not supported"};
      default:
        out += '\\';
        out += c;
    }
  }
  return Status::ok();
}

}  // namespace da::chat::jinja
