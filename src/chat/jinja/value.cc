#include "chat/jinja/value.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/utf8.h"
#include "chat/jinja/ast.h"
#include "chat/jinja/loop.h"
#include "chat/number_text.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {
namespace {

constexpr size_t kIndexFrom = 16;  // entries from which a dict's keys are indexed
// Above every depth that a value reaches in good faith; lists that were appended to may be deeper, or hold themselves.
constexpr int kMaxEqualDepth = 80;
constexpr int kMaxReprDepth = 3 * 80;  // counts each level up to three times

bool numbers_equal(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) {
    return a.as_int() == b.as_int();
  }
  return a.as_double() == b.as_double();
}

// Appends repr(value); false if that takes more than `max_bytes` or nests too deeply.
bool repr_into(std::string& out, const Value& value, size_t max_bytes, int depth);

bool repr_items(std::string& out, const std::vector<Value>& items, size_t max_bytes, int depth) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) {
      out += ", ";
    }
    if (!repr_into(out, items[i], max_bytes, depth + 1)) {
      return false;
    }
  }
  return true;
}

bool repr_dict(std::string& out, const Dict& dict, size_t max_bytes, int depth) {
  out += '{';
  bool first = true;
  for (const auto& [key, item] : dict.entries) {
    if (!first) {
      out += ", ";
    }
    first = false;
    if (!repr_into(out, key, max_bytes, depth + 1)) {
      return false;
    }
    out += ": ";
    if (!repr_into(out, item, max_bytes, depth + 1)) {
      return false;
    }
  }
  out += '}';
  return true;
}

bool repr_seq(std::string& out, const Seq& seq, size_t max_bytes, int depth) {
  switch (seq.type) {
    case SeqType::kTuple:
      out += '(';
      if (!repr_items(out, seq.items, max_bytes, depth + 1)) {
        return false;
      }
      out += seq.items.size() == 1 ? ",)" : ")";
      return true;
    case SeqType::kRange:
      out += "range(" + int_text(seq.range[0]) + ", " + int_text(seq.range[1]);
      if (seq.range[2] != 1) {
        out += ", " + int_text(seq.range[2]);
      }
      out += ')';
      return true;
    case SeqType::kIterator:
      out += "<generator object>";
      return true;
    case SeqType::kList:
    case SeqType::kKeys:
    case SeqType::kValues:
    case SeqType::kItems:
      break;
  }
  bool view = seq.type != SeqType::kList;
  if (view) {
    out += seq.type == SeqType::kKeys ? "dict_keys(" : seq.type == SeqType::kValues ? "dict_values(" : "dict_items(";
  }
  out += '[';
  if (!repr_items(out, seq.items, max_bytes, depth + 1)) {
    return false;
  }
  out += view ? "])" : "]";
  return true;
}

void repr_callable(std::string& out, const Callable& callable) {
  switch (callable.type) {
    case CallableType::kMacro:
      out += "<Macro '" + std::string(callable.name) + "'>";
      return;
    case CallableType::kCycler:
      out += "<Cycler>";
      return;
    case CallableType::kJoiner:
      out += "<Joiner>";
      return;
    case CallableType::kNative:
    case CallableType::kMethod:
    case CallableType::kBlock:
    case CallableType::kLoopMethod:
      out += "<function " + std::string(callable.name) + ">";
      return;
  }
}

bool repr_into(std::string& out, const Value& value, size_t max_bytes, int depth) {
  if (out.size() > max_bytes || depth > kMaxReprDepth) {
    return false;
  }
  switch (value.kind) {
    case Kind::kUndefined:
      out += "Undefined";
      return true;
    case Kind::kNone:
      out += "None";
      return true;
    case Kind::kBool:
      out += value.boolean ? "True" : "False";
      return true;
    case Kind::kInt:
      out += int_text(value.integer);
      return true;
    case Kind::kFloat:
      out += python_float(value.real);
      return true;
    case Kind::kString:
      out += value.markup ? "Markup(" : "";
      append_text_repr(out, value.str());
      out += value.markup ? ")" : "";
      return true;
    case Kind::kSeq:
      return repr_seq(out, *value.seq(), max_bytes, depth + 1);
    case Kind::kDict:
      return repr_dict(out, *value.dict(), max_bytes, depth + 1);
    case Kind::kNamespace:
      out += "<Namespace ";
      if (!repr_dict(out, *value.dict(), max_bytes, depth + 1)) {
        return false;
      }
      out += '>';
      return true;
    case Kind::kCallable:
      repr_callable(out, *value.callable());
      return true;
    case Kind::kLoop:
      out += value.loop()->describe();
      return true;
  }
  return true;
}

}  // namespace

Loop* Value::loop() const { return static_cast<Loop*>(object); }

const Value* Dict::find_text(std::string_view key) const {
  if (entries.size() < kIndexFrom) {
    for (const auto& [name, value] : entries) {
      if (name.is_string() && name.str() == key) {
        return &value;
      }
    }
    return nullptr;
  }
  for (; indexed_ < entries.size(); ++indexed_) {
    if (entries[indexed_].first.is_string()) {
      index_.emplace(entries[indexed_].first.str(), indexed_);
    }
  }
  auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries[found->second].second;
}

const Value* Dict::find(std::string_view key) const { return find_text(key); }

const Value* Dict::find(const Value& key) const {
  if (key.is_string()) {
    return find_text(key.str());
  }
  for (const auto& [name, value] : entries) {
    if (!name.is_string() && equal(name, key)) {
      return &value;
    }
  }
  return nullptr;
}

void Dict::set(const Value& key, const Value& value) {
  depth = std::max(depth, depth_of(value) + 1);
  if (const Value* found = find(key)) {
    *const_cast<Value*>(found) = value;
    return;
  }
  entries.emplace_back(key, value);
}

std::string_view Arena::keep(std::string text) {
  if (text.empty()) {
    return {};
  }
  charge(text.size() + sizeof(std::string));
  texts_.push_back(std::move(text));
  return texts_.back();
}

bool equal(const Value& a, const Value& b, int depth) {
  if (depth > kMaxEqualDepth) {
    return false;
  }
  if (a.is_number() && b.is_number()) {
    return numbers_equal(a, b);
  }
  if (a.kind != b.kind) {
    return false;
  }
  switch (a.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      return a.str() == b.str();
    case Kind::kSeq: {
      const Seq& x = *a.seq();
      const Seq& y = *b.seq();
      if (&x == &y) {
        return true;
      }
      if (x.type != y.type || x.items.size() != y.items.size() || x.type == SeqType::kIterator ||
          x.type == SeqType::kValues) {
        return false;
      }
      return std::equal(x.items.begin(), x.items.end(), y.items.begin(),
                        [&](const Value& p, const Value& q) { return equal(p, q, depth + 1); });
    }
    case Kind::kDict: {
      const Dict& x = *a.dict();
      const Dict& y = *b.dict();
      if (x.entries.size() != y.entries.size()) {
        return false;
      }
      return std::all_of(x.entries.begin(), x.entries.end(), [&](const auto& entry) {
        const Value* other = y.find(entry.first);
        return other != nullptr && equal(entry.second, *other, depth + 1);
      });
    }
    case Kind::kNamespace:
    case Kind::kCallable:
    case Kind::kLoop:
      return a.object == b.object;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      return numbers_equal(a, b);
  }
  return false;
}

bool truthy(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return value.boolean;
    case Kind::kInt:
      return value.integer != 0;
    case Kind::kFloat:
      return value.real != 0;
    case Kind::kString:
      return value.text.size > 0;
    case Kind::kSeq:
      return value.seq()->type == SeqType::kIterator || !value.seq()->items.empty();
    case Kind::kDict:
      return !value.dict()->entries.empty();
    case Kind::kNamespace:
    case Kind::kCallable:
    case Kind::kLoop:
      return true;
  }
  return false;
}

std::string_view type_name(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return value.markup ? "Markup" : "str";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kCallable:
      return "function";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kSeq:
      break;
  }
  switch (value.seq()->type) {
    case SeqType::kList:
      return "list";
    case SeqType::kTuple:
      return "tuple";
    case SeqType::kRange:
      return "range";
    case SeqType::kKeys:
      return "dict_keys";
    case SeqType::kValues:
      return "dict_values";
    case SeqType::kItems:
      return "dict_items";
    case SeqType::kIterator:
      return "generator";
  }
  return "object";
}

std::string undefined_message(const Value& value) {
  std::string name(value.str());
  switch (value.missing) {
    case Missing::kName:
      return "'" + name + "' is undefined";
    case Missing::kHint:
      return name;
    case Missing::kUnsafe:
      return "access to attribute '" + name + "' is unsafe";
    case Missing::kAttribute:
      break;
  }
  Value owner;
  owner.kind = value.missing_owner;
  std::string type = value.missing_owner == Kind::kSeq    ? "list object"
                     : value.missing_owner == Kind::kNone ? "None"
                                                          : std::string(type_name(owner)) + " object";
  return "'" + type + "' has no attribute '" + name + "'";
}

std::string int_text(BigInt value) {
  constexpr BigInt kMin = std::numeric_limits<long long>::min();
  constexpr BigInt kMax = std::numeric_limits<long long>::max();
  if (value >= kMin && value <= kMax) {
    return std::to_string(static_cast<long long>(value));
  }
  std::string digits;
  for (BigInt rest = value; rest != 0; rest /= 10) {
    int digit = static_cast<int>(rest % 10);
    digits += static_cast<char>('0' + (digit < 0 ? -digit : digit));
  }
  if (value < 0) {
    digits += '-';
  }
  std::reverse(digits.begin(), digits.end());
  return digits;
}

uint32_t depth_of(const Value& value) {
  switch (value.kind) {
    case Kind::kSeq:
      return value.seq()->depth;
    case Kind::kDict:
    case Kind::kNamespace:
      return value.dict()->depth;
    case Kind::kUndefined:
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kString:
    case Kind::kCallable:
    case Kind::kLoop:
      return 0;
  }
  return 0;
}

bool append_str(std::string& out, const Value& value, size_t max_bytes) {
  if (value.is_string()) {
    out += value.str();
    return out.size() <= max_bytes;
  }
  return value.is_undefined() || repr_into(out, value, max_bytes, 0);
}

bool append_repr(std::string& out, const Value& value, size_t max_bytes) { return repr_into(out, value, max_bytes, 0); }

void append_text_repr(std::string& out, std::string_view text) {
  bool has_single = text.find('\'') != std::string_view::npos;
  bool has_double = text.find('"') != std::string_view::npos;
  char quote = has_single && !has_double ? '"' : '\'';
  out += quote;
  char escape[16];
  while (!text.empty()) {
    utf8::Decoded decoded = utf8::decode_one(text);
    char32_t c = decoded.code_point;
    std::string_view bytes = text.substr(0, decoded.length);
    text.remove_prefix(decoded.length);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (unicode::is_printable(c)) {
      out += bytes;
    } else {
      std::snprintf(escape, sizeof(escape),
                    c < 0x100     ? "\\x%02x"
                    : c < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                    static_cast<unsigned>(c));
      out += escape;
    }
  }
  out += quote;
}

static_assert(sizeof(Value) <= 32);

}  // namespace da::chat::jinja
