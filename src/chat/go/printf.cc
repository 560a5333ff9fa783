// Go's fmt verbs: reading the format, and what each kind of value makes of a verb.
#include <algorithm>
#include <cstdlib>

#include "base/utf8.h"
#include "chat/go/functions.h"
#include "chat/go/printer.h"

namespace da::chat::go {

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
      append_padded("<nil>", verb, false);
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
        append_padded(value.boolean ? "true" : "false", verb, false);
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
