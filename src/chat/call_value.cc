#include "chat/call_value.h"

#include <nlohmann/json.hpp>

#include "chat/output_text.h"

namespace da::chat {
namespace {

constexpr size_t kMaxNumberBytes = 1000;

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20) {
      ((out += "\\u00") += kDigits[byte >> 4]) += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
}

std::string quoted_json(std::string_view text) {
  std::string out = "\"";
  append_escaped(out, text);
  return out += '"';
}

void BareValue::begin(bool is_text) {
  in_text_ = newline_ = false;
  is_exact_ = is_text;
  undecided_.clear();
}

bool BareValue::may_be_json() const {
  if (is_exact_) return false;
  const std::string_view begun = trim_left(undecided_);
  if (!begun.empty() && (begun[0] == '{' || begun[0] == '[')) return true;
  if (undecided_.size() > kMaxNumberBytes) return false;
  const std::string_view text = trim(begun);
  for (const std::string_view word : {"true", "false", "null"}) {
    if (word.starts_with(text)) return true;
  }
  return text.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
}

void BareValue::feed(std::string_view text, std::string& out) {
  if (in_text_) {
    append_text(text, out);
    return;
  }
  undecided_ += text;
  if (!undecided_.empty() && !may_be_json()) begin_text(out);
}

void BareValue::end(std::string& out) {
  if (!in_text_ && !is_exact_) {
    const auto value = nlohmann::json::parse(trim(undecided_), nullptr, false);
    if (!value.is_discarded() && !value.is_string()) {
      out += trim(undecided_);
      return;
    }
  }
  if (!in_text_) begin_text(out);
  if (newline_ && is_exact_) out += "\\n";
  out += '"';
}

void BareValue::begin_text(std::string& out) {
  in_text_ = true;
  out += '"';
  std::string_view text = undecided_;
  if (!is_exact_ && text.starts_with('\n')) text.remove_prefix(1);
  append_text(text, out);
  undecided_.clear();
}

void BareValue::append_text(std::string_view text, std::string& out) {
  if (text.empty()) return;
  if (newline_) out += "\\n";
  newline_ = text.ends_with('\n');
  if (newline_) text.remove_suffix(1);
  append_escaped(out, text);
}

}  // namespace da::chat
