// Methods of strings that answer a question.
#include <algorithm>

#include "base/utf8.h"
#include "chat/jinja/interpreter.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {
namespace {

// The part of the string that the arguments start and stop select (code points), and where it begins.
struct Window {
  std::string_view text;
  size_t begin = 0;  // in code points
  bool valid = true;
};

Window window_of(NativeCall& call, size_t first) {
  Window window{call.self.str(), 0, true};
  bool whole =
      (!call.has(first) || call.arg(first).is_none()) && (!call.has(first + 1) || call.arg(first + 1).is_none());
  if (whole) {
    return window;
  }
  std::vector<size_t> offsets = unicode::offsets(window.text);
  auto size = static_cast<BigInt>(offsets.size() - 1);
  auto bound = [&](size_t i, BigInt otherwise) {
    if (!call.has(i) || !call.arg(i).is_integral()) {
      return otherwise;
    }
    BigInt value = call.arg(i).as_int();
    return std::max<BigInt>(value < 0 ? value + size : value, 0);
  };
  BigInt begin = bound(first, 0);
  BigInt end = std::min(bound(first + 1, size), size);
  if (begin > end) {
    window.valid = false;
    return window;
  }
  window.begin = static_cast<size_t>(begin);
  window.text = window.text.substr(offsets[window.begin], offsets[static_cast<size_t>(end)] - offsets[window.begin]);
  return window;
}

bool has_affix(std::string_view text, std::string_view affix, bool at_start) {
  return text.size() >= affix.size() && text.substr(at_start ? 0 : text.size() - affix.size(), affix.size()) == affix;
}

template <bool AtStart>
Value affixed(NativeCall& call) {
  Window window = window_of(call, 1);
  const Value& affix = call.arg(0);
  if (affix.is_string()) {
    return Value::of_bool(window.valid && has_affix(window.text, affix.str(), AtStart));
  }
  if (affix.kind != Kind::kSeq || affix.seq()->type != SeqType::kTuple) {
    return affix.is_undefined() ? call.in.fail_undefined(affix)
                                : call.in.fail_type("string or tuple of strings", affix);
  }
  for (const Value& part : affix.seq()->items) {
    if (!part.is_string()) {
      return call.in.fail_type("string", part);
    }
    if (window.valid && has_affix(window.text, part.str(), AtStart)) {
      return Value::of_bool(true);
    }
  }
  return Value::of_bool(false);
}

template <bool FromRight, bool MustFind>
Value find(NativeCall& call) {
  if (!call.arg(0).is_string()) {
    return call.arg(0).is_undefined() ? call.in.fail_undefined(call.arg(0)) : call.in.fail_type("string", call.arg(0));
  }
  call.in.scan(call.self.text.size);
  Window window = window_of(call, 1);
  size_t found = !window.valid ? std::string_view::npos
                 : FromRight   ? window.text.rfind(call.arg(0).str())
                               : window.text.find(call.arg(0).str());
  if (found == std::string_view::npos) {
    return MustFind ? call.in.fail("substring not found") : Value::of_int(-1);
  }
  return Value::of_int(static_cast<BigInt>(window.begin + unicode::length(window.text.substr(0, found))));
}

Value count(NativeCall& call) {
  if (!call.arg(0).is_string()) {
    return call.arg(0).is_undefined() ? call.in.fail_undefined(call.arg(0)) : call.in.fail_type("string", call.arg(0));
  }
  call.in.scan(call.self.text.size);
  Window window = window_of(call, 1);
  std::string_view needle = call.arg(0).str();
  if (!window.valid) {
    return Value::of_int(0);
  }
  if (needle.empty()) {
    return Value::of_int(static_cast<BigInt>(unicode::length(window.text) + 1));
  }
  BigInt number = 0;
  for (size_t at = window.text.find(needle); at != std::string_view::npos;
       at = window.text.find(needle, at + needle.size())) {
    ++number;
  }
  return Value::of_int(number);
}

// All characters satisfy the test, and there is one.
template <bool (*Test)(char32_t)>
Value all_are(NativeCall& call) {
  call.in.step(call.self.text.size / 256);
  std::vector<char32_t> points = utf8::to_code_points(call.self.str());
  return Value::of_bool(!points.empty() && std::all_of(points.begin(), points.end(), Test));
}

bool is_alnum(char32_t c) {
  return unicode::is_alpha(c) || unicode::is_decimal(c) || unicode::is_digit(c) || unicode::is_numeric(c);
}

Value is_ascii(NativeCall& call) {
  std::string_view text = call.self.str();
  return Value::of_bool(
      std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}

Value is_printable(NativeCall& call) {
  std::vector<char32_t> points = utf8::to_code_points(call.self.str());
  return Value::of_bool(std::all_of(points.begin(), points.end(), unicode::is_printable));
}

Value is_identifier(NativeCall& call) {
  std::vector<char32_t> points = utf8::to_code_points(call.self.str());
  bool fits = !points.empty() && (points[0] == '_' || unicode::is_alpha(points[0]));
  return Value::of_bool(fits && std::all_of(points.begin(), points.end(), unicode::is_word));
}

template <bool Lower>
Value is_case(NativeCall& call) {
  bool any = false;
  for (char32_t c : utf8::to_code_points(call.self.str())) {
    if (unicode::is_title(c) || (Lower ? unicode::is_upper(c) : unicode::is_lower(c))) {
      return Value::of_bool(false);
    }
    any = any || unicode::is_cased(c);
  }
  return Value::of_bool(any);
}

Value is_title(NativeCall& call) {
  bool any = false;
  bool in_word = false;
  for (char32_t c : utf8::to_code_points(call.self.str())) {
    bool starts = unicode::is_upper(c) || unicode::is_title(c);
    if (starts ? in_word : (unicode::is_lower(c) && !in_word)) {
      return Value::of_bool(false);
    }
    in_word = unicode::is_cased(c);
    any = any || in_word;
  }
  return Value::of_bool(any);
}

constexpr NativeSpec kMethods[] = {
    {"startswith", "prefix,start,end", 1, affixed<true>},
    {"endswith", "suffix,start,end", 1, affixed<false>},
    {"find", "sub,start,end", 1, find<false, false>},
    {"rfind", "sub,start,end", 1, find<true, false>},
    {"index", "sub,start,end", 1, find<false, true>},
    {"rindex", "sub,start,end", 1, find<true, true>},
    {"count", "sub,start,end", 1, count},
    {"isalpha", "", 0, all_are<unicode::is_alpha>},
    {"isdecimal", "", 0, all_are<unicode::is_decimal>},
    {"isdigit", "", 0, all_are<unicode::is_digit>},
    {"isnumeric", "", 0, all_are<unicode::is_numeric>},
    {"isalnum", "", 0, all_are<is_alnum>},
    {"isspace", "", 0, all_are<unicode::is_space>},
    {"isascii", "", 0, is_ascii},
    {"isprintable", "", 0, is_printable},
    {"isidentifier", "", 0, is_identifier},
    {"islower", "", 0, is_case<true>},
    {"isupper", "", 0, is_case<false>},
    {"istitle", "", 0, is_title},
};

}  // namespace

NativeTable text_query_methods() { return {kMethods, std::size(kMethods)}; }

}  // namespace da::chat::jinja
