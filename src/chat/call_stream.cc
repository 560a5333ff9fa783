#include "chat/call_stream.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace da::chat {

size_t JsonEnd::find(std::string_view text) {
  for (; at_ < text.size(); ++at_) {
    const char c = text[at_];
    if (in_string_) {
      if (c == '\\' && at_ + 1 == text.size()) return std::string_view::npos;  // what it escapes is still to come
      if (c == '\\') ++at_;
      in_string_ = c != '"';
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if ((c == '}' || c == ']') && --depth_ == 0) {
      return at_ + 1;
    }
  }
  return std::string_view::npos;
}

void CallStream::feed(std::string_view text, std::vector<ToolCallDelta>& out) {
  for (const char c : text) {
    if (ended_) break;
    const bool was_inside = call_depth_ > 0 && depth_ >= call_depth_;
    take(c);
    if (was_inside && depth_ < call_depth_) end_call(out);
  }
  flush(out);
}

// One character. At the call's own level keys and the name are read; the arguments are copied as they are.
void CallStream::take(char c) {
  const bool copied = in_arguments_;
  if (copied) waiting_ += c;
  if (in_string_) {
    if (!copied && depth_ == call_depth_) string_ += c;
    if (!escaped_ && c == '"') {
      in_string_ = false;
      if (!copied && depth_ == call_depth_) end_string();
    }
    escaped_ = !escaped_ && c == '\\';
    return;
  }
  switch (c) {
    case '"':
      in_string_ = true;
      string_ = c;
      return;
    case '{':
    case '[':
      ++depth_;
      if (call_depth_ == 0) call_depth_ = c == '[' ? 2 : 1;
      if (depth_ == call_depth_ + 1 && is_value_ && c == '{' && (key_ == "arguments" || key_ == "parameters")) {
        in_arguments_ = true;
        waiting_ = c;
      }
      return;
    case '}':
    case ']':
      --depth_;
      if (in_arguments_ && depth_ == call_depth_) in_arguments_ = false;
      if (depth_ == 0) ended_ = true;
      return;
    case ':':
      if (depth_ == call_depth_) is_value_ = true;
      return;
    case ',':
      if (depth_ == call_depth_) is_value_ = false;
      return;
    default:
      if (call_depth_ == 0 && c != ' ' && c != '\n' && c != '\r' && c != '\t') ended_ = true;  // no JSON
  }
}

void CallStream::end_string() {
  const auto decoded = nlohmann::json::parse(string_, nullptr, false);
  if (!decoded.is_string()) return;
  if (!is_value_) {
    key_ = decoded.get<std::string>();
  } else if (key_ == "name" || key_ == "tool_name") {
    name_ = decoded.get<std::string>();
    refused_ = !is_offered_(name_);
  }
}

void CallStream::end_call(std::vector<ToolCallDelta>& out) {
  flush(out);
  begun_.push_back(announced_);
  n_begun_ += announced_ ? 1 : 0;
  ++index_;
  key_.clear();
  name_.clear();
  waiting_.clear();
  is_value_ = in_arguments_ = announced_ = refused_ = false;
}

void CallStream::flush(std::vector<ToolCallDelta>& out) {
  if (name_.empty() || refused_ || waiting_.empty()) return;
  out.push_back({index_, announced_ ? std::string() : name_, std::exchange(waiting_, {})});
  announced_ = true;
}

}  // namespace da::chat
