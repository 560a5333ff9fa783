// HTML: chat templates rarely need it, but `safe` and `e` are common habits.
#include <array>

#include "chat/jinja/interpreter.h"
#include "chat/jinja/markup.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {

void append_escaped(std::string& out, std::string_view text, bool safe) {
  if (safe) {
    out += text;
    return;
  }
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
}

namespace {

Value filter_escape(NativeCall& call) {
  if (call.self.markup) {
    return call.self;
  }
  std::string out;
  append_escaped(out, call.in.str(call.self));
  return call.in.text(std::move(out), true);
}

Value filter_forceescape(NativeCall& call) {
  std::string out;
  append_escaped(out, call.in.str(call.self));
  return call.in.text(std::move(out), true);
}

Value filter_safe(NativeCall& call) { return Value::of_text(call.in.str(call.self), true); }

// Removes comments and tags, runs of white space become one space, the common entities become characters.
std::string strip_tags(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    bool comment = text.substr(0, 4) == "<!--";
    size_t end = comment ? text.find("-->", 4) : text[0] == '<' ? text.find('>') : std::string_view::npos;
    if (end != std::string_view::npos) {
      text.remove_prefix(end + (comment ? 3 : 1));
      continue;
    }
    plain += text[0];
    text.remove_prefix(1);
  }
  std::string joined;
  for (std::string_view rest = unicode::strip(plain); !rest.empty();) {
    std::string_view tail = unicode::strip_left(rest);
    if (tail.size() < rest.size()) {
      joined += ' ';
      rest = tail;
      continue;
    }
    joined += rest[0];
    rest.remove_prefix(1);
  }
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kEntities = {{
      {"&lt;", "<"},
      {"&gt;", ">"},
      {"&quot;", "\""},
      {"&#34;", "\""},
      {"&#39;", "'"},
      {"&nbsp;", "\xC2\xA0"},
      {"&amp;", "&"},
  }};
  std::string out;
  for (std::string_view rest = joined; !rest.empty();) {
    bool replaced = false;
    for (const auto& [entity, character] : kEntities) {
      if (rest.substr(0, entity.size()) == entity) {
        out += character;
        rest.remove_prefix(entity.size());
        replaced = true;
        break;
      }
    }
    if (!replaced) {
      out += rest[0];
      rest.remove_prefix(1);
    }
  }
  return out;
}

Value filter_striptags(NativeCall& call) {
  std::string_view text = call.in.str(call.self);
  // Unclosed "<" are searched to the end each time; the work is bounded by charging for it.
  call.in.step(text.size());
  return call.in.ok() ? call.in.text(strip_tags(text)) : Value();
}

Value filter_xmlattr(NativeCall& call) {
  if (call.self.kind != Kind::kDict) {
    return call.self.is_undefined() ? call.in.fail_undefined(call.self) : call.in.fail_type("mapping", call.self);
  }
  std::string out;
  for (const auto& [key, value] : call.self.dict()->entries) {
    if (value.is_none() || value.is_undefined()) {
      continue;
    }
    std::string_view name = call.in.str(key);
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string_view::npos) {
      return call.in.fail("Invalid character in attribute name");
    }
    out += out.empty() ? "" : " ";
    append_escaped(out, name, key.markup);
    out += "=\"";
    append_escaped(out, call.in.str(value), value.markup);
    out += '"';
  }
  bool space = !call.has(0) || truthy(call.arg(0));
  return call.in.text(space && !out.empty() ? " " + out : out);
}

constexpr NativeSpec kFilters[] = {
    {"escape", "", 0, filter_escape},           {"e", "", 0, filter_escape},
    {"forceescape", "", 0, filter_forceescape}, {"safe", "", 0, filter_safe},
    {"striptags", "", 0, filter_striptags},     {"xmlattr", "autospace", 0, filter_xmlattr},
};

}  // namespace

NativeTable markup_filters() { return {kFilters, std::size(kFilters)}; }

}  // namespace da::chat::jinja
