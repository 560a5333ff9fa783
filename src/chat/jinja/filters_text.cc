// Filters that make text from text.
#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "chat/jinja/interpreter.h"
#include "chat/jinja/text_ops.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {
namespace {

bool flag(const NativeCall& call, size_t i) { return call.has(i) && truthy(call.arg(i)); }

// An integer argument within ±`limit`; false: an error was raised.
bool integer_arg(NativeCall& call, size_t i, long long otherwise, long long limit, long long& out) {
  out = otherwise;
  if (!call.has(i) || call.arg(i).is_none()) {
    return true;
  }
  if (!call.arg(i).is_integral()) {
    call.in.fail_type("number", call.arg(i));
    return false;
  }
  out = static_cast<long long>(std::clamp<BigInt>(call.arg(i).as_int(), -limit, limit));
  return true;
}

template <std::string (*Change)(std::string_view)>
Value change_case(NativeCall& call) {
  std::string_view text = call.in.str(call.self);
  call.in.step(text.size() / 256);
  return call.in.text(Change(text), call.self.markup);
}

// Unlike str.title: words begin at the start and behind white space and opening brackets.
std::string title_words(std::string_view text) {
  std::string out;
  std::string word;
  auto flush = [&] {
    if (!word.empty()) {
      size_t first = utf8::decode_one(word).length;
      out += unicode::upper(std::string_view(word).substr(0, first));
      out += unicode::lower(std::string_view(word).substr(first));
      word.clear();
    }
  };
  while (!text.empty()) {
    utf8::Decoded decoded = utf8::decode_one(text);
    bool breaks =
        unicode::is_space(decoded.code_point) || std::string_view("-({[<").find(text[0]) != std::string_view::npos;
    if (breaks) {
      flush();
      out += text.substr(0, decoded.length);
    } else {
      word += text.substr(0, decoded.length);
    }
    text.remove_prefix(decoded.length);
  }
  flush();
  return out;
}

Value filter_trim(NativeCall& call) {
  std::string_view text = call.in.str(call.self);
  bool all = !call.has(0) || call.arg(0).is_none();
  return Value::of_text(all ? unicode::strip(text) : strip_characters(text, call.in.str(call.arg(0)), true, true),
                        call.self.markup);
}

Value filter_string(NativeCall& call) { return Value::of_text(call.in.str(call.self), call.self.markup); }

Value filter_replace(NativeCall& call) {
  long long count = -1;
  if (!integer_arg(call, 2, -1, 1'000'000'000, count)) {
    return {};
  }
  return replace_text(call.in, call.in.str(call.self), call.in.str(call.arg(0)), call.in.str(call.arg(1)), count,
                      false);
}

Value filter_indent(NativeCall& call) {
  if (!call.self.is_string()) {
    return call.self.is_undefined() ? call.in.fail_undefined(call.self) : call.in.fail_type("string", call.self);
  }
  std::string indention;
  if (call.has(0) && call.arg(0).is_string()) {
    indention = call.arg(0).str();
  } else {
    long long width = 4;
    if (!integer_arg(call, 0, 4, 10'000, width)) {
      return {};
    }
    indention.assign(static_cast<size_t>(std::max(0LL, width)), ' ');
  }
  bool blank = flag(call, 2);
  std::string source = std::string(call.self.str()) + "\n";
  std::string out = flag(call, 1) ? indention : "";
  bool first = true;
  for (std::string_view line : split_lines(source, false)) {
    if (!first) {
      out += '\n';
      out += line.empty() && !blank ? "" : indention;
    }
    first = false;
    out += line;
    if (!call.in.step() || out.size() > call.in.max_text_bytes()) {
      return call.in.fail("text grows beyond the limit", ErrorCode::kResourceExhausted);
    }
  }
  return call.in.text(std::move(out), call.self.markup);
}

Value filter_center(NativeCall& call) {
  long long width = 80;
  if (!integer_arg(call, 0, 80, 1'000'000'000, width)) {
    return {};
  }
  return justify(call.in, call.in.str(call.self), width, " ", Justify::kCenter, call.self.markup);
}

Value filter_truncate(NativeCall& call) {
  long long length = 255;
  long long leeway = 5;
  if (!integer_arg(call, 0, 255, 1'000'000'000, length) || !integer_arg(call, 3, 5, 1'000'000'000, leeway)) {
    return {};
  }
  if (!call.self.is_string()) {
    return call.self.is_undefined() ? call.self : call.in.fail_type("string", call.self);
  }
  std::string_view text = call.self.str();
  std::string end(call.has(2) ? call.in.str(call.arg(2)) : "...");
  auto end_length = static_cast<long long>(unicode::length(end));
  if (length < end_length || leeway < 0) {
    return call.in.fail("expected length >= " + std::to_string(end_length) + " and leeway >= 0");
  }
  std::vector<size_t> offsets = unicode::offsets(text);
  if (static_cast<long long>(offsets.size()) - 1 <= length + leeway) {
    return call.self;
  }
  std::string_view kept = text.substr(0, offsets[static_cast<size_t>(length - end_length)]);
  if (!flag(call, 1)) {
    kept = kept.substr(0, kept.rfind(' '));
  }
  return call.in.text(std::string(kept) + end, call.self.markup);
}

Value filter_wordcount(NativeCall& call) {
  long long words = 0;
  bool in_word = false;
  for (char32_t c : utf8::to_code_points(call.in.str(call.self))) {
    words += unicode::is_word(c) && !in_word;
    in_word = unicode::is_word(c);
  }
  return Value::of_int(words);
}

Value filter_wordwrap(NativeCall& call) {
  long long width = 79;
  if (!integer_arg(call, 0, 79, 1'000'000'000, width)) {
    return {};
  }
  if (!call.self.is_string()) {
    return call.self.is_undefined() ? call.in.fail_undefined(call.self) : call.in.fail_type("string", call.self);
  }
  if (width <= 0) {
    return call.in.fail("invalid width (must be > 0)");
  }
  bool break_long = !call.has(1) || truthy(call.arg(1));
  bool break_hyphens = !call.has(3) || truthy(call.arg(3));
  std::string separator(call.has(2) && !call.arg(2).is_none() ? call.in.str(call.arg(2)) : "\n");
  std::string out;
  bool first = true;
  for (std::string_view line : split_lines(call.self.str(), false)) {
    out += first ? "" : separator;
    first = false;
    bool first_part = true;
    for (const std::string& part : wrap_line(line, static_cast<size_t>(width), break_long, break_hyphens)) {
      out += first_part ? "" : separator;
      first_part = false;
      out += part;
    }
    if (!call.in.step(1 + line.size() / 16)) {
      return {};
    }
  }
  return call.in.text(std::move(out));
}

Value filter_format(NativeCall& call) {
  Value format = Value::of_text(call.in.str(call.self), call.self.markup);
  if (call.raw.named.empty()) {
    return call.in.format_percent(format, call.in.list(std::move(call.raw.positional), SeqType::kTuple));
  }
  if (!call.raw.positional.empty()) {
    return call.in.fail("can't handle positional and keyword arguments at the same time");
  }
  Dict* dict = call.in.arena().make<Dict>();
  for (const auto& [name, value] : call.raw.named) {
    dict->set(Value::of_text(name), value);
  }
  return call.in.format_percent(format, call.in.dict_value(dict));
}

// Percent-encodes; "/" stays in a path, a space in a query becomes "+".
void append_quoted(std::string& out, std::string_view text, bool query) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
                c == '-' || c == '~' || (c == '/' && !query);
    if (keep) {
      out += c;
    } else if (c == ' ' && query) {
      out += '+';
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

Value filter_urlencode(NativeCall& call) {
  std::string out;
  if (call.self.kind != Kind::kDict && (call.self.kind != Kind::kSeq)) {
    append_quoted(out, call.in.str(call.self), false);
    return call.in.text(std::move(out));
  }
  std::vector<std::pair<Value, Value>> pairs;
  if (call.self.kind == Kind::kDict) {
    pairs = call.self.dict()->entries;
  } else {
    std::vector<Value> items;
    if (!call.in.iterate(call.self, items)) {
      return {};
    }
    for (const Value& entry : items) {
      std::vector<Value> pair;
      if (!call.in.iterate(entry, pair) || pair.size() != 2) {
        return call.in.fail("urlencode expects pairs");
      }
      pairs.emplace_back(pair[0], pair[1]);
    }
  }
  for (const auto& [key, value] : pairs) {
    out += out.empty() ? "" : "&";
    append_quoted(out, call.in.str(key), true);
    out += '=';
    append_quoted(out, call.in.str(value), true);
  }
  return call.in.text(std::move(out));
}

Value filter_pprint(NativeCall& call) {
  std::string out;
  append_pretty(call.in, out, call.self, 0, 0);
  return call.in.text(std::move(out));
}

constexpr NativeSpec kFilters[] = {
    {"upper", "", 0, change_case<unicode::upper>},
    {"lower", "", 0, change_case<unicode::lower>},
    {"capitalize", "", 0, change_case<unicode::capitalize>},
    {"title", "", 0, change_case<title_words>},
    {"trim", "chars", 0, filter_trim},
    {"string", "", 0, filter_string},
    {"replace", "old,new,count", 2, filter_replace},
    {"indent", "width,first,blank", 0, filter_indent},
    {"center", "width", 0, filter_center},
    {"truncate", "length,killwords,end,leeway", 0, filter_truncate},
    {"wordcount", "", 0, filter_wordcount},
    {"wordwrap", "width,break_long_words,wrapstring,break_on_hyphens", 0, filter_wordwrap},
    {"format", "*", 0, filter_format},
    {"urlencode", "", 0, filter_urlencode},
    {"pprint", "", 0, filter_pprint},
};

}  // namespace

NativeTable text_filters() { return {kFilters, std::size(kFilters)}; }

}  // namespace da::chat::jinja
