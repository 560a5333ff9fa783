#include "chat/call_stream.h"

#include <utility>

#include "chat/output_text.h"

namespace da::chat {
namespace {

constexpr size_t kMaxNameBytes = 300;

}  // namespace

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

void CallStream::name_call(std::string name, std::string id) {
  refused_ = !is_offered_(name);
  name_ = std::move(name);
  id_ = std::move(id);
}

void CallStream::end_call(std::vector<ToolCallDelta>& out) {
  flush(out);
  begun_.push_back(announced_);
  n_begun_ += announced_ ? 1 : 0;
  ++index_;
  name_.clear();
  id_.clear();
  waiting_.clear();
  announced_ = refused_ = false;
}

void CallStream::flush(std::vector<ToolCallDelta>& out) {
  if (name_.empty() || refused_ || waiting_.empty()) return;
  arguments_.resize(begun_.size() + 1);
  arguments_.back() += waiting_;
  out.push_back(
      {index_, announced_ ? std::string() : name_, std::exchange(waiting_, {}), announced_ ? std::string() : id_});
  announced_ = true;
}

std::unique_ptr<CallStream> make_call_stream(std::string_view text, int first_index, CallStream::IsOffered is_offered) {
  text = trim_left(text);
  if (text.empty()) return nullptr;
  if (text[0] == '{' || text[0] == '[') return json_call_stream(first_index, std::move(is_offered));
  if (text.starts_with("call:")) return gemma_call_stream(first_index, std::move(is_offered));
  if (text.starts_with("<|tool_call_begin|>"))
    return headed_call_stream(CallHeader::kKimi, first_index, std::move(is_offered));
  if (text.starts_with("<｜tool▁call▁begin｜>"))
    return headed_call_stream(CallHeader::kDeepSeek, first_index, std::move(is_offered));
  if (text.starts_with("<function="))
    return tagged_call_stream(CallTags::kQwenCoder, first_index, std::move(is_offered));
  if (text.starts_with("<invoke name="))
    return tagged_call_stream(CallTags::kMiniMax, first_index, std::move(is_offered));
  if (text.starts_with("<｜DSML｜invoke name="))
    return tagged_call_stream(CallTags::kDeepSeek, first_index, std::move(is_offered));
  // A name first: what follows it tells.
  const size_t sign = text.substr(0, kMaxNameBytes).find_first_of("<>");
  if (text[0] == '<' || sign == std::string_view::npos) return nullptr;
  if (text[sign] == '>') return headed_call_stream(CallHeader::kFunctionary, first_index, std::move(is_offered));
  if (text.substr(sign).starts_with("<arg_key>"))
    return tagged_call_stream(CallTags::kGlm, first_index, std::move(is_offered));
  return nullptr;
}

}  // namespace da::chat
