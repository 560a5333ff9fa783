// Methods of strings. Their results are safe markup where the string is.
#include <algorithm>

#include "base/utf8.h"
#include "chat/jinja/format_text.h"
#include "chat/jinja/interpreter.h"
#include "chat/jinja/markup.h"
#include "chat/jinja/text_ops.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {
namespace {

bool want_text(NativeCall& call, size_t i, std::string_view& out) {
  if (!call.arg(i).is_string()) {
    call.arg(i).is_undefined() ? call.in.fail_undefined(call.arg(i)) : call.in.fail_type("string", call.arg(i));
    return false;
  }
  out = call.arg(i).str();
  return true;
}

long long want_count(NativeCall& call, size_t i, long long otherwise) {
  if (!call.has(i)) {
    return otherwise;
  }
  if (!call.arg(i).is_integral()) {
    call.in.fail_type("integer", call.arg(i));
    return otherwise;
  }
  return static_cast<long long>(std::clamp<BigInt>(call.arg(i).as_int(), -1'000'000'000'000, 1'000'000'000'000));
}

Value piece(const NativeCall& call, std::string_view text) { return Value::of_text(text, call.self.markup); }

template <std::string (*Change)(std::string_view)>
Value change(NativeCall& call) {
  call.in.step(call.self.text.size / 256);
  return call.in.text(Change(call.self.str()), call.self.markup);
}

template <bool Left, bool Right>
Value strip(NativeCall& call) {
  std::string_view text = call.self.str();
  if (call.has(0) && !call.arg(0).is_none()) {
    std::string_view set;
    return want_text(call, 0, set) ? piece(call, strip_characters(text, set, Left, Right)) : Value();
  }
  text = Left ? unicode::strip_left(text) : text;
  return piece(call, Right ? unicode::strip_right(text) : text);
}

std::vector<Value> reversed(std::vector<Value> parts) {
  std::reverse(parts.begin(), parts.end());
  return parts;
}

// Splits at runs of white space.
Value split_space(NativeCall& call, long long limit, bool from_right) {
  std::vector<Value> parts;
  // With a limit, what is left over keeps the space at its far side.
  std::string_view rest = from_right ? unicode::strip_right(call.self.str()) : unicode::strip_left(call.self.str());
  while (!rest.empty()) {
    if (limit >= 0 && static_cast<long long>(parts.size()) == limit) {
      parts.push_back(piece(call, rest));
      break;
    }
    size_t cut = from_right ? rest.size() : 0;
    if (from_right) {
      std::string_view head = rest;
      while (!head.empty() && unicode::strip_right(head).size() == head.size()) {
        head.remove_suffix(1);
        while (!head.empty() && head.size() < rest.size() &&
               (static_cast<unsigned char>(rest[head.size()]) & 0xC0) == 0x80) {
          head.remove_suffix(1);
        }
      }
      cut = head.size();
      parts.push_back(piece(call, rest.substr(cut)));
      rest = unicode::strip_right(rest.substr(0, cut));
      continue;
    }
    while (cut < rest.size()) {
      utf8::Decoded decoded = utf8::decode_one(rest.substr(cut));
      if (unicode::is_space(decoded.code_point)) {
        break;
      }
      cut += decoded.length;
    }
    parts.push_back(piece(call, rest.substr(0, cut)));
    rest = unicode::strip_left(rest.substr(cut));
  }
  return call.in.step(parts.size()) ? call.in.list(from_right ? reversed(std::move(parts)) : std::move(parts))
                                    : Value();
}

template <bool FromRight>
Value split(NativeCall& call) {
  long long limit = want_count(call, 1, -1);
  call.in.scan(call.self.text.size);
  if (!call.has(0) || call.arg(0).is_none()) {
    return split_space(call, limit, FromRight);
  }
  std::string_view separator;
  if (!want_text(call, 0, separator)) {
    return {};
  }
  if (separator.empty()) {
    return call.in.fail("empty separator");
  }
  std::vector<Value> parts;
  std::string_view rest = call.self.str();
  while (limit < 0 || static_cast<long long>(parts.size()) < limit) {
    size_t found = FromRight ? rest.rfind(separator) : rest.find(separator);
    if (found == std::string_view::npos || !call.in.step()) {
      break;
    }
    parts.push_back(piece(call, FromRight ? rest.substr(found + separator.size()) : rest.substr(0, found)));
    rest = FromRight ? rest.substr(0, found) : rest.substr(found + separator.size());
  }
  parts.push_back(piece(call, rest));
  return call.in.list(FromRight ? reversed(std::move(parts)) : std::move(parts));
}

template <bool FromRight>
Value partition(NativeCall& call) {
  std::string_view separator;
  if (!want_text(call, 0, separator)) {
    return {};
  }
  if (separator.empty()) {
    return call.in.fail("empty separator");
  }
  std::string_view text = call.self.str();
  size_t found = FromRight ? text.rfind(separator) : text.find(separator);
  Value none = piece(call, {});
  if (found == std::string_view::npos) {
    return call.in.list(
        FromRight ? std::vector<Value>{none, none, call.self} : std::vector<Value>{call.self, none, none},
        SeqType::kTuple);
  }
  return call.in.list(
      {piece(call, text.substr(0, found)), piece(call, separator), piece(call, text.substr(found + separator.size()))},
      SeqType::kTuple);
}

Value splitlines(NativeCall& call) {
  std::vector<Value> lines;
  for (std::string_view line : split_lines(call.self.str(), call.has(0) && truthy(call.arg(0)))) {
    lines.push_back(piece(call, line));
  }
  return call.in.step(lines.size()) ? call.in.list(std::move(lines)) : Value();
}

Value replace(NativeCall& call) {
  std::string_view old_text;
  std::string_view new_text;
  if (!want_text(call, 0, old_text) || !want_text(call, 1, new_text)) {
    return {};
  }
  std::string escaped;
  if (call.self.markup && !call.arg(1).markup) {
    append_escaped(escaped, new_text);
    new_text = escaped;
  }
  return replace_text(call.in, call.self.str(), old_text, new_text, want_count(call, 2, -1), call.self.markup);
}

Value join(NativeCall& call) {
  std::vector<Value> items;
  if (!call.in.iterate(call.arg(0), items) || !call.in.step(items.size())) {
    return {};
  }
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_string()) {
      return call.in.fail("sequence item " + std::to_string(i) + ": expected str instance, " +
                          std::string(type_name(items[i])) + " found");
    }
    out += i > 0 ? call.self.str() : std::string_view();
    append_escaped(out, items[i].str(), !call.self.markup || items[i].markup);
    if (out.size() > call.in.max_text_bytes()) {
      return call.in.fail("text grows beyond the limit", ErrorCode::kResourceExhausted);
    }
  }
  return call.in.text(std::move(out), call.self.markup);
}

template <Justify Side>
Value justified(NativeCall& call) {
  std::string_view fill = " ";
  if (call.has(1) && !want_text(call, 1, fill)) {
    return {};
  }
  long long width = want_count(call, 0, 0);
  return call.in.ok() ? justify(call.in, call.self.str(), width, fill, Side, call.self.markup) : Value();
}

Value zfill(NativeCall& call) {
  std::string_view text = call.self.str();
  long long width = want_count(call, 0, 0);
  bool sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  Value digits = justify(call.in, text.substr(sign), width - sign, "0", Justify::kRight, call.self.markup);
  return call.in.ok() ? call.in.text(std::string(text.substr(0, sign)) + std::string(digits.str()), call.self.markup)
                      : Value();
}

Value removeprefix(NativeCall& call) {
  std::string_view prefix;
  if (!want_text(call, 0, prefix)) {
    return {};
  }
  std::string_view text = call.self.str();
  return piece(call, text.substr(0, prefix.size()) == prefix ? text.substr(prefix.size()) : text);
}

Value removesuffix(NativeCall& call) {
  std::string_view suffix;
  if (!want_text(call, 0, suffix)) {
    return {};
  }
  std::string_view text = call.self.str();
  bool has = text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
  return piece(call, has ? text.substr(0, text.size() - suffix.size()) : text);
}

Value expandtabs(NativeCall& call) {
  long long size = std::clamp(want_count(call, 0, 8), 0LL, 1000LL);
  std::string out;
  long long column = 0;
  for (char32_t c : utf8::to_code_points(call.self.str())) {
    if (c == '\t') {
      long long spaces = size == 0 ? 0 : size - column % size;
      out.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
    } else {
      utf8::append(out, c);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    if (out.size() > call.in.max_text_bytes()) {
      break;
    }
  }
  return call.in.text(std::move(out), call.self.markup);
}

Value format(NativeCall& call) { return format_braces(call.in, call.self, call.raw); }

constexpr NativeSpec kMethods[] = {
    {"upper", "", 0, change<unicode::upper>},
    {"lower", "", 0, change<unicode::lower>},
    {"title", "", 0, change<unicode::title>},
    {"capitalize", "", 0, change<unicode::capitalize>},
    {"swapcase", "", 0, change<unicode::swap_case>},
    {"casefold", "", 0, change<unicode::case_fold>},
    {"strip", "chars", 0, strip<true, true>},
    {"lstrip", "chars", 0, strip<true, false>},
    {"rstrip", "chars", 0, strip<false, true>},
    {"split", "sep,maxsplit", 0, split<false>},
    {"rsplit", "sep,maxsplit", 0, split<true>},
    {"partition", "sep", 1, partition<false>},
    {"rpartition", "sep", 1, partition<true>},
    {"splitlines", "keepends", 0, splitlines},
    {"replace", "old,new,count", 2, replace},
    {"join", "iterable", 1, join},
    {"ljust", "width,fillchar", 1, justified<Justify::kLeft>},
    {"rjust", "width,fillchar", 1, justified<Justify::kRight>},
    {"center", "width,fillchar", 1, justified<Justify::kCenter>},
    {"zfill", "width", 1, zfill},
    {"removeprefix", "prefix", 1, removeprefix},
    {"removesuffix", "suffix", 1, removesuffix},
    {"expandtabs", "tabsize", 0, expandtabs},
    {"format", "*", 0, format},
};

}  // namespace

NativeTable text_methods() { return {kMethods, std::size(kMethods)}; }

}  // namespace da::chat::jinja
