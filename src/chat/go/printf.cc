// Go's fmt verbs.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "chat/go/functions.h"
#include "chat/number_text.h"
#include "chat/unicode_text.h"

namespace da::chat::go {
namespace {

constexpr int kMaxWidth = 1'000'000;  // fmt's own limit for widths and precisions

struct Verb {
  char32_t letter = 'v';
  bool plus = false;
  bool names = false;  // %+v
  bool minus = false;
  bool sharp = false;
  bool space = false;
  bool zero = false;
  int width = -1;
  int precision = -1;
};

void append_quoted(std::string& out, std::string_view text, char quote, bool ascii = false) {
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

// Pads with spaces, or with zeros behind the sign.
void append_padded(std::string& out, std::string_view text, const Verb& verb, bool zero_padding) {
  auto length = static_cast<int>(std::min<size_t>(unicode::length(text), kMaxWidth));
  size_t padding = verb.width > length ? static_cast<size_t>(verb.width - length) : 0;
  if (verb.minus) {
    out += text;
    out.append(padding, ' ');
  } else if (zero_padding && padding > 0) {
    size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
    out += text.substr(0, sign);
    out.append(padding, '0');
    out += text.substr(sign);
  } else {
    out.append(padding, ' ');
    out += text;
  }
}

class Printer {
 public:
  Printer(std::string_view format, const std::vector<Value>& args, size_t first, size_t max_bytes)
      : format_(format), args_(args), next_(first), first_(first), max_bytes_(max_bytes) {}

  std::string run();

 private:
  void read_flags(Verb& verb);
  void read_index();
  int read_number(bool& found);
  bool read_star(int& out);
  void write(const Verb& verb, const Value& value, int depth);
  void write_integer(const Verb& verb, int64_t value);
  void write_float(const Verb& verb, double value);
  void write_text(const Verb& verb, std::string_view text);
  void write_list(const Verb& verb, const Value& value, int depth);
  void write_go_syntax(const Value& value);
  void bad_verb(const Verb& verb, const Value& value);
  char peek() const { return position_ < format_.size() ? format_[position_] : '\0'; }

  std::string_view format_;
  const std::vector<Value>& args_;
  size_t next_;
  size_t first_;
  size_t max_bytes_;
  size_t position_ = 0;
  bool reordered_ = false;
  bool good_index_ = true;
  std::string out_;
};

int Printer::read_number(bool& found) {
  int number = 0;
  found = false;
  while (peek() >= '0' && peek() <= '9') {
    found = true;
    number = std::min(number * 10 + (peek() - '0'), kMaxWidth);
    ++position_;
  }
  return number;
}

// An explicit argument index, [n].
void Printer::read_index() {
  if (peek() != '[') {
    return;
  }
  reordered_ = true;
  size_t close = format_.find(']', position_);
  if (close == std::string_view::npos) {
    good_index_ = false;
    ++position_;
    return;
  }
  ++position_;
  bool found = false;
  int index = read_number(found);
  good_index_ = found && position_ == close && index >= 1 && static_cast<size_t>(index) <= args_.size() - first_;
  position_ = close + 1;
  if (good_index_) {
    next_ = first_ + static_cast<size_t>(index) - 1;
  }
}

bool Printer::read_star(int& out) {
  ++position_;
  if (next_ >= args_.size() || args_[next_].kind != Kind::kInt || std::abs(args_[next_].integer) > kMaxWidth) {
    next_ += next_ < args_.size() ? 1 : 0;
    return false;
  }
  out = static_cast<int>(args_[next_++].integer);
  return true;
}

void Printer::read_flags(Verb& verb) {
  for (;; ++position_) {
    switch (peek()) {
      case '+':
        verb.plus = true;
        continue;
      case '-':
        verb.minus = true;
        verb.zero = false;
        continue;
      case '#':
        verb.sharp = true;
        continue;
      case ' ':
        verb.space = true;
        continue;
      case '0':
        verb.zero = !verb.minus;
        continue;
      default:
        return;
    }
  }
}

std::string Printer::run() {
  while (position_ < format_.size() && out_.size() <= max_bytes_) {
    size_t mark = std::min(format_.find('%', position_), format_.size());
    out_ += format_.substr(position_, mark - position_);
    position_ = mark;
    if (position_ >= format_.size()) {
      break;
    }
    ++position_;
    Verb verb;
    good_index_ = true;
    read_flags(verb);
    read_index();
    if (peek() == '*') {
      if (!read_star(verb.width)) {
        out_ += "%!(BADWIDTH)";
      } else if (verb.width < 0) {
        verb.minus = true;
        verb.zero = false;
        verb.width = -verb.width;
      }
    } else {
      bool found = false;
      int width = read_number(found);
      verb.width = found ? width : -1;
    }
    if (peek() == '.') {
      ++position_;
      read_index();
      if (peek() == '*') {
        if (!read_star(verb.precision) || verb.precision < 0) {
          out_ += verb.precision < -1 ? "" : "%!(BADPREC)";
          verb.precision = -1;
        }
      } else {
        bool found = false;
        verb.precision = read_number(found);
      }
    }
    read_index();
    if (position_ >= format_.size()) {
      out_ += "%!(NOVERB)";
      break;
    }
    utf8::Decoded decoded = utf8::decode_one(format_.substr(position_));
    std::string_view letter = format_.substr(position_, decoded.length);
    verb.letter = decoded.code_point;
    position_ += decoded.length;
    if (verb.letter == '%') {
      out_ += '%';
    } else if (!good_index_) {
      out_ += "%!" + std::string(letter) + "(BADINDEX)";
    } else if (next_ >= args_.size()) {
      out_ += "%!" + std::string(letter) + "(MISSING)";
    } else {
      write(verb, args_[next_++], 0);
    }
  }
  if (!reordered_ && next_ < args_.size()) {
    out_ += "%!(EXTRA ";
    for (size_t i = next_; i < args_.size(); ++i) {
      out_ += i > next_ ? ", " : "";
      if (!args_[i].has_value()) {
        out_ += "<nil>";
      } else {
        out_ += type_name(args_[i]) + "=";
        append_printed(out_, args_[i]);
      }
    }
    out_ += ')';
  }
  return std::move(out_);
}

void Printer::bad_verb(const Verb& verb, const Value& value) {
  out_ += "%!";
  utf8::append(out_, verb.letter);
  out_ += '(';
  if (value.has_value()) {
    out_ += type_name(value) + "=";
    append_printed(out_, value);
  } else {
    out_ += "<nil>";
  }
  out_ += ')';
}

void Printer::write(const Verb& verb, const Value& value, int depth) {
  if (verb.letter == 'T') {
    Verb plain = verb;
    plain.letter = 's';
    write_text(plain, type_name(value));
    return;
  }
  if (!value.has_value()) {
    if (verb.letter == 'v' || depth > 0) {
      append_padded(out_, "<nil>", verb, false);
    } else {
      bad_verb(verb, value);
    }
    return;
  }
  if (verb.letter == 'v' && verb.sharp) {
    write_go_syntax(value);
    return;
  }
  if (verb.letter == 'v' && verb.plus && !verb.names) {
    // %+v names the fields of structs; it is no sign.
    Verb named = verb;
    named.plus = false;
    named.names = true;
    write(named, value, depth);
    return;
  }
  bool texts =
      verb.letter == 'v' || verb.letter == 's' || verb.letter == 'q' || verb.letter == 'x' || verb.letter == 'X';
  if (is_stringer(value) && texts) {
    write_text(verb, stringer_text(value));
    return;
  }
  switch (value.kind) {
    case Kind::kBool:
      if (verb.letter == 't' || verb.letter == 'v') {
        append_padded(out_, value.boolean ? "true" : "false", verb, false);
      } else {
        bad_verb(verb, value);
      }
      return;
    case Kind::kInt:
      if (std::u32string_view(U"vdboOxXcqU").find(verb.letter) != std::u32string_view::npos) {
        write_integer(verb, value.integer);
      } else {
        bad_verb(verb, value);
      }
      return;
    case Kind::kFloat:
      if (std::u32string_view(U"veEfFgGxXb").find(verb.letter) != std::u32string_view::npos) {
        write_float(verb, value.real);
      } else {
        bad_verb(verb, value);
      }
      return;
    case Kind::kText:
      if (texts) {
        write_text(verb, value.str());
      } else {
        bad_verb(verb, value);
      }
      return;
    case Kind::kList:
    case Kind::kMap:
    case Kind::kRecord:
      write_list(verb, value, depth);
      return;
    case Kind::kInvalid:
    case Kind::kNil:
      return;
  }
}

// Containers apply the verb to each element.
void Printer::write_list(const Verb& verb, const Value& value, int depth) {
  if (depth > 80 || out_.size() > max_bytes_) {
    return;
  }
  bool first = true;
  auto separate = [&] {
    out_ += first ? "" : " ";
    first = false;
  };
  if (value.kind == Kind::kList) {
    out_ += '[';
    for (const Value& item : value.list->items) {
      separate();
      write(verb, item, depth + 1);
    }
    out_ += ']';
  } else if (value.kind == Kind::kMap) {
    out_ += "map[";
    for (const auto& [key, item] : value.map->entries) {
      separate();
      write(verb, Value::of_text(key), depth + 1);
      out_ += ':';
      write(verb, item, depth + 1);
    }
    out_ += ']';
  } else {
    out_ += '{';
    for (size_t i = 0; i < value.record->fields.size(); ++i) {
      separate();
      if (verb.names) {
        out_ += value.record->type->fields[i].name;
        out_ += ':';
      }
      write(verb, value.record->fields[i], depth + 1);
    }
    out_ += '}';
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
    append_padded(out_, text, verb, verb.zero);
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
    append_padded(out_, text, verb, false);
    return;
  }
  unsigned base = verb.letter == 'b'                         ? 2
                  : verb.letter == 'o' || verb.letter == 'O' ? 8
                  : verb.letter == 'x' || verb.letter == 'X' ? 16
                                                             : 10;
  const char* alphabet = verb.letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  auto magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  if (verb.precision == 0 && value == 0) {
    append_padded(out_, "", verb, false);
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
  append_padded(out_, text, verb, false);
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
  append_padded(out_, text, verb, verb.zero && finite);
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
  append_padded(out_, text, verb, verb.zero);
}

void Printer::write_go_syntax(const Value& value) {
  switch (value.kind) {
    case Kind::kText:
      append_quoted(out_, value.str(), '"');
      return;
    case Kind::kList: {
      out_ += type_name(value) + "{";
      bool first = true;
      for (const Value& item : value.list->items) {
        out_ += first ? "" : ", ";
        first = false;
        write_go_syntax(item);
      }
      out_ += '}';
      return;
    }
    case Kind::kMap: {
      out_ += type_name(value) + "{";
      bool first = true;
      for (const auto& [key, item] : value.map->entries) {
        out_ += first ? "" : ", ";
        first = false;
        append_quoted(out_, key, '"');
        out_ += ':';
        write_go_syntax(item);
      }
      out_ += '}';
      return;
    }
    case Kind::kInvalid:
    case Kind::kNil:
      out_ += "interface {}(nil)";
      return;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kRecord:
      append_printed(out_, value);
      return;
  }
}

}  // namespace

std::string sprintf_values(std::string_view format, const std::vector<Value>& args, size_t first, size_t max_bytes) {
  return Printer(format, args, first, max_bytes).run();
}

std::string sprint_values(const std::vector<Value>& args, bool line) {
  std::string out;
  bool previous_text = false;
  for (size_t i = 0; i < args.size(); ++i) {
    bool text = args[i].kind == Kind::kText;
    if (i > 0 && (line || (!text && !previous_text))) {
      out += ' ';
    }
    append_printed(out, args[i]);
    previous_text = text;
  }
  return line ? out + "\n" : out;
}

}  // namespace da::chat::go
