// Go's fmt verbs: how numbers and texts are written.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "chat/go/functions.h"
#include "chat/go/printer.h"
#include "chat/number_text.h"
#include "chat/unicode_text.h"

namespace da::chat::go {

void append_quoted(std::string& out, std::string_view text, char quote, bool ascii) {
  char buffer[16];
  out += quote;
  while (!text.empty()) {
    utf8::Decoded decoded = utf8::decode_one(text);
    char32_t c = decoded.code_point;
    std::string_view bytes = text.substr(0, decoded.length);
    text.remove_prefix(decoded.length);
    static constexpr std::string_view kFrom = "\a\b\f\n\r\t\v";
    static constexpr std::string_view kTo = "abfnrtv";
    size_t known = c < 0x20 ? kFrom.find(static_cast<char>(c)) : std::string_view::npos;
    if (!decoded.valid) {
      for (char byte : bytes) {
        std::snprintf(buffer, sizeof(buffer), "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
        out += buffer;
      }
    } else if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (known != std::string_view::npos) {
      out += '\\';
      out += kTo[known];
    } else if (unicode::is_printable(c) && (c < 0x80 || !ascii)) {
      out += bytes;
    } else {
      std::snprintf(buffer, sizeof(buffer),
                    c < 0x80      ? "\\x%02x"
                    : c < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                    static_cast<unsigned>(c));
      out += buffer;
    }
  }
  out += quote;
}

void Printer::append_padded(std::string_view text, const Verb& verb, bool zero_padding) {
  auto length = static_cast<int>(std::min<size_t>(unicode::length(text), kMaxWidth));
  size_t padding = verb.width > length ? static_cast<size_t>(verb.width - length) : 0;
  if (verb.minus) {
    out_ += text;
    out_.append(padding, ' ');
  } else if (zero_padding && padding > 0) {
    size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
    out_ += text.substr(0, sign);
    out_.append(padding, '0');
    out_ += text.substr(sign);
  } else {
    out_.append(padding, ' ');
    out_ += text;
  }
}

void Printer::write_integer(const Verb& verb, int64_t value) {
  auto code_point = value < 0 || value > 0x10FFFF ? char32_t{0xFFFD} : static_cast<char32_t>(value);
  std::string text;
  if (verb.letter == 'c' || verb.letter == 'q') {
    utf8::append(text, code_point);
    if (verb.letter == 'q') {
      std::string quoted;
      append_quoted(quoted, text, '\'', verb.plus);
      text = quoted;
    }
    append_padded(text, verb, verb.zero);
    return;
  }
  if (verb.letter == 'U') {
    char buffer[32];
    std::snprintf(buffer, sizeof(buffer), "U+%0*llX", std::clamp(verb.precision, 4, 20),
                  static_cast<unsigned long long>(value));
    text = buffer;
    if (verb.sharp && unicode::is_printable(code_point)) {
      text += " '";
      utf8::append(text, code_point);
      text += '\'';
    }
    append_padded(text, verb, false);
    return;
  }
  unsigned base = verb.letter == 'b'                         ? 2
                  : verb.letter == 'o' || verb.letter == 'O' ? 8
                  : verb.letter == 'x' || verb.letter == 'X' ? 16
                                                             : 10;
  const char* alphabet = verb.letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  auto magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  if (verb.precision == 0 && value == 0) {
    append_padded("", verb, false);
    return;
  }
  do {
    text.insert(text.begin(), alphabet[magnitude % base]);
    magnitude /= base;
  } while (magnitude > 0);
  // A precision asks for digits; zero padding does the same up to the width.
  int digits = verb.precision;
  if (digits < 0 && verb.zero && verb.width > 0) {
    digits = verb.width - (value < 0 || verb.plus || verb.space ? 1 : 0);
  }
  if (digits > static_cast<int>(text.size())) {
    text.insert(0, static_cast<size_t>(digits) - text.size(), '0');
  }
  if (verb.sharp || verb.letter == 'O') {
    text.insert(0, verb.letter == 'O' ? "0o"
                   : base == 2        ? "0b"
                   : base == 8        ? "0"
                   : base == 16       ? (verb.letter == 'X' ? "0X" : "0x")
                                      : "");
  }
  text.insert(0, value < 0 ? "-" : verb.plus ? "+" : verb.space ? " " : "");
  append_padded(text, verb, false);
}

void Printer::write_float(const Verb& verb, double value) {
  std::string text;
  bool finite = std::isfinite(value);
  if (!finite) {
    text = std::isnan(value) ? "NaN" : value < 0 ? "-Inf" : "+Inf";
  } else if (verb.precision < 0 && (verb.letter == 'v' || verb.letter == 'g' || verb.letter == 'G')) {
    text = go_float(value);
    if (verb.letter == 'G') {
      text = unicode::upper(text);
    }
  } else {
    char letter = verb.letter == 'v' ? 'g' : static_cast<char>(verb.letter);
    letter = letter == 'F' ? 'f' : letter == 'x' ? 'a' : letter == 'X' ? 'A' : letter == 'b' ? 'g' : letter;
    int precision = std::min(verb.precision < 0 ? 6 : verb.precision, 1000);
    std::string buffer(static_cast<size_t>(precision) + 400, '\0');
    char pattern[16];
    std::snprintf(pattern, sizeof(pattern), "%%%s.*%c", verb.sharp ? "#" : "", letter);
    int size = std::snprintf(buffer.data(), buffer.size(), pattern, precision, value);
    text.assign(buffer, 0, static_cast<size_t>(size));
  }
  if (text[0] != '-' && text[0] != '+' && (verb.plus || verb.space)) {
    text.insert(0, verb.plus ? "+" : " ");
  }
  append_padded(text, verb, verb.zero && finite);
}

void Printer::write_text(const Verb& verb, std::string_view text) {
  if (verb.precision >= 0) {
    if (verb.letter == 'x' || verb.letter == 'X') {
      text = text.substr(0, static_cast<size_t>(verb.precision));
    } else {
      std::vector<size_t> offsets = unicode::offsets(text);
      auto wanted = static_cast<size_t>(verb.precision);
      text = wanted + 1 < offsets.size() ? text.substr(0, offsets[wanted]) : text;
    }
  }
  std::string shown;
  if (verb.letter == 'q') {
    bool raw = verb.sharp && text.find_first_of("`\r") == std::string_view::npos &&
               std::all_of(text.begin(), text.end(),
                           [](char c) { return c == '\t' || static_cast<unsigned char>(c) >= 0x20; });
    if (raw) {
      shown = "`" + std::string(text) + "`";
    } else {
      append_quoted(shown, text, '"', verb.plus);
    }
    text = shown;
  } else if (verb.letter == 'x' || verb.letter == 'X') {
    const char* alphabet = verb.letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    std::string prefix = verb.sharp ? (verb.letter == 'X' ? "0X" : "0x") : "";
    for (size_t i = 0; i < text.size(); ++i) {
      auto byte = static_cast<unsigned char>(text[i]);
      if (verb.space && i > 0) {
        shown += ' ';
      }
      shown += i == 0 || verb.space ? prefix : "";
      shown += alphabet[byte >> 4];
      shown += alphabet[byte & 15];
    }
    text = shown;
  }
  append_padded(text, verb, verb.zero);
}

}  // namespace da::chat::go
