#include "analysis/json_stream.h"

#include <algorithm>

#include "base/utf8.h"

namespace da::analysis {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether a word is a literal of JSON or a number of its form.
bool sound_word(std::string_view w) {
  if (w == "true" || w == "false" || w == "null") return true;
  size_t i = w.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const size_t begin = i;
    while (i < w.size() && is_digit(w[i])) ++i;
    return i > begin;
  };
  const size_t whole = i;
  if (!digits() || (w[whole] == '0' && i > whole + 1)) return false;
  if (i < w.size() && w[i] == '.' && (++i, !digits())) return false;
  if (i < w.size() && (w[i] == 'e' || w[i] == 'E')) {
    ++i;
    if (i < w.size() && (w[i] == '+' || w[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == w.size();
}

}  // namespace

const JsonStream::Value* JsonStream::Value::find(std::string_view key) const {
  for (auto it = members.rbegin(); it != members.rend(); ++it) {
    if (it->first == key) return it->second.get();
  }
  return nullptr;
}

void JsonStream::push(std::string_view text) {
  for (const char c : text) {
    if (failed_) return;
    failed_ = !step(c);
    ++bytes_read_;
  }
}

bool JsonStream::step(char c) {
  if (string_ != nullptr) return step_string(c);
  if (word_ != nullptr) {
    if (is_digit(c) || (c >= 'a' && c <= 'z') || c == 'E' || c == '.' || c == '+' || c == '-') return step_word(c);
    if (!sound_word(word_->text)) return false;
    word_ = nullptr;
    end_value();
  }
  return is_space(c) || step_structure(c);
}

bool JsonStream::step_word(char c) {
  constexpr size_t kMaxWord = 64;
  word_->text.push_back(c);
  return word_->text.size() <= kMaxWord;
}

bool JsonStream::step_structure(char c) {
  switch (expect_) {
    case Expect::kValueOrEnd:
      if (c == ']') return close(Value::Kind::kArray);
      return begin_value(c);
    case Expect::kValue: return begin_value(c);
    case Expect::kKeyOrEnd:
      if (c == '}') return close(Value::Kind::kObject);
      [[fallthrough]];
    case Expect::kKey:
      if (c != '"') return false;
      key_.clear();
      string_ = &key_;
      string_value_ = nullptr;
      return true;
    case Expect::kColon:
      expect_ = Expect::kValue;
      return c == ':';
    case Expect::kCommaOrEnd:
      if (c == ',') {
        expect_ = open_.back()->is(Value::Kind::kArray) ? Expect::kValue : Expect::kKey;
        return true;
      }
      if (c != ']' && c != '}') return false;
      return close(c == ']' ? Value::Kind::kArray : Value::Kind::kObject);
    case Expect::kEnd: return false;
  }
  return false;
}

std::unique_ptr<JsonStream::Value>* JsonStream::place_for_value() {
  if (open_.empty()) return &root_;
  Value& around = *open_.back();
  if (around.is(Value::Kind::kArray)) return &around.items.emplace_back();
  return &around.members.emplace_back(key_, nullptr).second;
}

bool JsonStream::begin_value(char c) {
  const bool container = c == '{' || c == '[';
  if (container && open_.size() >= kMaxDepth) return false;
  if (!container && c != '"' && c != '-' && !is_digit(c) && c != 't' && c != 'f' && c != 'n') return false;
  std::unique_ptr<Value>* place = place_for_value();
  *place = std::make_unique<Value>();
  Value& value = **place;
  if (container) {
    value.kind = c == '{' ? Value::Kind::kObject : Value::Kind::kArray;
    open_.push_back(&value);
    expect_ = c == '{' ? Expect::kKeyOrEnd : Expect::kValueOrEnd;
  } else if (c == '"') {
    value.kind = Value::Kind::kString;
    string_ = &value.text;
    string_value_ = &value;
  } else {
    value.kind = c == 'n' ? Value::Kind::kNull : c == 't' || c == 'f' ? Value::Kind::kBoolean : Value::Kind::kNumber;
    value.text.push_back(c);
    word_ = &value;
  }
  return true;
}

bool JsonStream::close(Value::Kind kind) {
  if (open_.empty() || !open_.back()->is(kind)) return false;
  end_value();
  return true;
}

// Marks the innermost value complete: a word just read, or the container around.
void JsonStream::end_value() {
  Value* around = open_.empty() ? root_.get() : open_.back();
  Value* last = around;
  if (around->is(Value::Kind::kArray) && !around->items.empty() && !around->items.back()->complete) {
    last = around->items.back().get();
  } else if (around->is(Value::Kind::kObject) && !around->members.empty() && !around->members.back().second->complete) {
    last = around->members.back().second.get();
  }
  last->complete = true;
  if (last == around && !open_.empty()) open_.pop_back();
  expect_ = open_.empty() ? Expect::kEnd : Expect::kCommaOrEnd;
}

void JsonStream::end_string() {
  string_ = nullptr;
  if (string_value_ == nullptr) {
    expect_ = Expect::kColon;
    return;
  }
  string_value_->complete = true;
  expect_ = open_.empty() ? Expect::kEnd : Expect::kCommaOrEnd;
}

bool JsonStream::step_string(char c) {
  if (escape_ > 0) return step_escape(c);
  if (high_surrogate_ != 0 && c != '\\') return false;
  if (c == '\\') {
    escape_ = 1;
    return true;
  }
  if (c == '"') {
    end_string();
    return true;
  }
  if (static_cast<uint8_t>(c) < 0x20) return false;
  string_->push_back(c);
  return true;
}

bool JsonStream::step_escape(char c) {
  if (escape_ == 1) {
    if (c == 'u') {
      escape_ = 2;
      unit_ = 0;
      return true;
    }
    constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const size_t at = kLetters.find(c);
    if (at == std::string_view::npos || high_surrogate_ != 0) return false;
    string_->push_back(kMeanings[at]);
    escape_ = 0;
    return true;
  }
  const int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  if (digit < 0) return false;
  unit_ = unit_ << 4 | static_cast<uint32_t>(digit);
  if (++escape_ < 6) return true;
  escape_ = 0;
  const bool high = unit_ >= 0xD800 && unit_ <= 0xDBFF, low = unit_ >= 0xDC00 && unit_ <= 0xDFFF;
  if (low != (high_surrogate_ != 0)) return false;
  if (high) {
    high_surrogate_ = unit_;
    return true;
  }
  utf8::append(*string_, low ? 0x10000 + ((high_surrogate_ - 0xD800) << 10) + (unit_ - 0xDC00) : unit_);
  high_surrogate_ = 0;
  return true;
}

}  // namespace da::analysis
