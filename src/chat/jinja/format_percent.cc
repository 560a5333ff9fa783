// text % arguments, as in Python.
#include <algorithm>

#include "chat/jinja/format_text.h"
#include "chat/jinja/interpreter.h"
#include "chat/jinja/markup.h"

namespace da::chat::jinja {
namespace {

constexpr BigInt kMaxPrecision = 500;

class PercentFormatter {
 public:
  PercentFormatter(Interpreter& in, const Value& format, const Value& arguments)
      : in_(in), format_(format), arguments_(arguments) {
    if (arguments.kind == Kind::kSeq && arguments.seq()->type == SeqType::kTuple) {
      positional_ = arguments.seq()->items;
    } else {
      positional_.push_back(arguments);
      // A dict or list may stay unread.
      mapping_ =
          arguments.kind == Kind::kDict || (arguments.kind == Kind::kSeq && arguments.seq()->type == SeqType::kList);
    }
  }

  Value run() {
    std::string_view rest = format_.str();
    while (!rest.empty() && in_.ok()) {
      size_t mark = rest.find('%');
      out_ += rest.substr(0, mark);
      if (mark == std::string_view::npos) {
        break;
      }
      rest.remove_prefix(mark + 1);
      if (!convert(rest) || !in_.step() || out_.size() > in_.max_text_bytes()) {
        return in_.fail("bad format");
      }
    }
    if (next_ < positional_.size() && !mapping_) {
      return in_.fail("not all arguments converted during string formatting");
    }
    return in_.ok() ? in_.text(std::move(out_), format_.markup) : Value();
  }

 private:
  bool take(Value& out) {
    if (next_ >= positional_.size()) {
      in_.fail("not enough arguments for format string");
      return false;
    }
    out = positional_[next_++];
    return true;
  }

  bool number(std::string_view& rest, BigInt& out) {
    if (!rest.empty() && rest[0] == '*') {
      rest.remove_prefix(1);
      Value value;
      if (!take(value)) {
        return false;
      }
      if (!value.is_integral()) {
        in_.fail("* wants int");
        return false;
      }
      out = value.as_int();
      return true;
    }
    out = 0;
    while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
      out = std::min<BigInt>(out * 10 + (rest[0] - '0'), 1'000'000'000);
      rest.remove_prefix(1);
    }
    return true;
  }

  bool convert(std::string_view& rest) {
    FormatSpec spec;
    Value value;
    bool keyed = false;
    if (!rest.empty() && rest[0] == '(') {
      size_t close = rest.find(')');
      if (close == std::string_view::npos || arguments_.kind != Kind::kDict) {
        in_.fail(close == std::string_view::npos ? "incomplete format key" : "format requires a mapping");
        return false;
      }
      const Value* found = arguments_.dict()->find(rest.substr(1, close - 1));
      if (found == nullptr) {
        in_.fail("missing key in format mapping");
        return false;
      }
      value = *found;
      keyed = true;
      rest.remove_prefix(close + 1);
    }
    bool zero = false;
    for (; !rest.empty() && std::string_view("-+ #0").find(rest[0]) != std::string_view::npos; rest.remove_prefix(1)) {
      switch (rest[0]) {
        case '-':
          spec.align = '<';
          break;
        case '+':
          spec.sign = '+';
          break;
        case ' ':
          spec.sign = spec.sign == '+' ? '+' : ' ';
          break;
        case '#':
          spec.alternate = true;
          break;
        default:
          zero = true;
      }
    }
    BigInt width = 0;
    if (!number(rest, width)) {
      return false;
    }
    if (width < 0) {
      spec.align = '<';
      width = -width;
    }
    spec.width = static_cast<long long>(std::min<BigInt>(width, 1'000'000'000));
    if (!rest.empty() && rest[0] == '.') {
      rest.remove_prefix(1);
      BigInt precision = 0;
      if (!number(rest, precision)) {
        return false;
      }
      spec.precision = static_cast<int>(std::clamp<BigInt>(precision, 0, kMaxPrecision));
    }
    while (!rest.empty() && (rest[0] == 'h' || rest[0] == 'l' || rest[0] == 'L')) {
      rest.remove_prefix(1);
    }
    if (rest.empty()) {
      in_.fail("incomplete format");
      return false;
    }
    char verb = rest[0];
    rest.remove_prefix(1);
    if (verb == '%') {
      out_ += '%';
      return true;
    }
    if (!keyed && !take(value)) {
      return false;
    }
    return keyed ? (next_ = positional_.size(), write(verb, value, spec, zero)) : write(verb, value, spec, zero);
  }

  bool write(char verb, const Value& value, FormatSpec spec, bool zero) {
    if (verb == 's' || verb == 'r' || verb == 'a') {
      std::string text;
      bool fits =
          verb == 's' ? append_str(text, value, in_.max_text_bytes()) : append_repr(text, value, in_.max_text_bytes());
      if (!fits) {
        in_.fail("text grows beyond the limit", ErrorCode::kResourceExhausted);
        return false;
      }
      if (format_.markup && !value.markup) {
        std::string escaped;
        append_escaped(escaped, text);
        text = std::move(escaped);
      }
      spec.align = spec.align == '\0' ? '>' : spec.align;
      return append_aligned(in_, out_, text, spec, '<');
    }
    if (verb == 'c' && value.is_string()) {
      spec.align = spec.align == '\0' ? '>' : spec.align;
      return append_aligned(in_, out_, value.str(), spec, '<');
    }
    if (!value.is_number()) {
      value.is_undefined() ? in_.fail_undefined(value)
                           : in_.fail(std::string("%") + verb + " format: a real number is required, not " +
                                      std::string(type_name(value)));
      return false;
    }
    if (zero && spec.align == '\0') {
      spec.fill = "0";
      spec.align = '=';
    }
    Value number = value;
    bool integral =
        verb == 'd' || verb == 'i' || verb == 'u' || verb == 'o' || verb == 'x' || verb == 'X' || verb == 'c';
    if (integral && value.kind == Kind::kFloat) {
      bool decimal = verb == 'd' || verb == 'i' || verb == 'u';
      if (!decimal || !(value.real > -1e37 && value.real < 1e37)) {
        in_.fail(std::string("%") + verb + " format: an integer is required, not float");
        return false;
      }
      number = Value::of_int(static_cast<BigInt>(value.real));
    }
    spec.type = verb == 'i' || verb == 'u' ? 'd' : verb;
    if (std::string_view("doxXceEfFgG").find(spec.type) == std::string_view::npos) {
      in_.fail("unsupported format character");
      return false;
    }
    return append_number(in_, out_, number, spec);
  }

  Interpreter& in_;
  const Value& format_;
  const Value& arguments_;
  std::vector<Value> positional_;
  size_t next_ = 0;
  bool mapping_ = false;
  std::string out_;
};

}  // namespace

Value Interpreter::format_percent(const Value& format, const Value& arguments) {
  return ok() ? PercentFormatter(*this, format, arguments).run() : Value();
}

}  // namespace da::chat::jinja
