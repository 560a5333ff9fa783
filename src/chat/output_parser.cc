#include "chat/output_parser.h"

#include <algorithm>
#include <utility>

#include "chat/output_text.h"

namespace da::chat {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kMessage = "<|message|>";
constexpr std::string_view kMessageEnds[] = {"<|end|>", "<|call|>", "<|return|>", "<|start|>", "<|channel|>"};
constexpr size_t kMaxHeaderBytes = 1000, kMaxHeldSpace = 4096;

bool is_start_of(std::string_view text, std::string_view marker) {
  return text.size() < marker.size() && marker.substr(0, text.size()) == text;
}

// The earliest of the markers that end a harmony message.
std::pair<size_t, std::string_view> message_end(std::string_view text) {
  std::pair<size_t, std::string_view> first{std::string_view::npos, {}};
  for (const std::string_view marker : kMessageEnds) {
    if (const size_t at = text.find(marker); at < first.first) first = {at, marker};
  }
  return first;
}

}  // namespace

OutputParser::OutputParser(OutputFormat format, std::vector<std::string> tool_names, bool in_pieces)
    : format_(std::move(format)), tool_names_(std::move(tool_names)), in_pieces_(in_pieces) {
  state_ = format_.harmony                                             ? State::kHeader
           : format_.think_open.empty() || format_.think_close.empty() ? State::kContent
           : format_.starts_thinking                                   ? State::kThinking
                                                                       : State::kStart;
  trim_ = state_ == State::kThinking;
}

OutputParser::Marker OutputParser::find_marker() const {
  Marker first{pending_.size(), 0, false};
  size_t partial = 0;
  const auto look = [&](std::string_view marker, bool opens_call) {
    if (marker.empty()) return;
    if (const size_t at = pending_.find(marker); at < first.at) first = {at, marker.size(), opens_call};
    partial = std::max(partial, partial_suffix(pending_, marker));
  };
  switch (format_.tools) {
    case ToolFormat::kNone:
    case ToolFormat::kHarmony:
      break;
    case ToolFormat::kTagged:
      look(format_.call_open, true);
      break;
    case ToolFormat::kLlama:
      look(kPythonTag, true);
      break;
    case ToolFormat::kMistral:
      look(kMistralOpen, true);
      break;
  }
  for (const std::string& tag : format_.dropped) look(tag, false);
  if (first.length == 0) first.at -= partial;
  return first;
}

OutputDelta OutputParser::push(std::string_view text) {
  OutputDelta out;
  pending_ += text;
  run(out, false);
  return out;
}

OutputDelta OutputParser::finish() {
  OutputDelta out;
  run(out, true);
  end_message(out);
  return out;
}

void OutputParser::run(OutputDelta& out, bool at_end) {
  while (step(out, at_end)) {
  }
}

// One decision; false when more text is needed, or none is left.
bool OutputParser::step(OutputDelta& out, bool at_end) {
  if (trim_) {
    pending_.erase(0, pending_.size() - trim_left(pending_).size());
  }
  if (pending_.empty()) {
    return false;
  }
  trim_ = false;
  switch (state_) {
    case State::kStart:
      return step_start(at_end);
    case State::kThinking:
      return step_thinking(out, at_end);
    case State::kAfterThinking:
      state_ = State::kContent;
      return true;
    case State::kContent:
      return step_content(out, at_end);
    case State::kCall:
      return step_call(out, at_end);
    case State::kHeader:
      return step_header(at_end);
    case State::kMessage:
      return step_message(out, at_end);
  }
  return false;
}

// Thinking must be the first thing but space.
bool OutputParser::step_start(bool at_end) {
  std::string_view text = trim_left(pending_);
  if (starts_with(text, format_.think_open)) {
    pending_.erase(0, pending_.size() - text.size() + format_.think_open.size());
    state_ = State::kThinking;
    trim_ = true;
    return true;
  }
  if (is_start_of(text, format_.think_open) && !at_end) {
    return false;
  }
  state_ = State::kContent;
  return true;
}

bool OutputParser::step_thinking(OutputDelta& out, bool at_end) {
  size_t close = pending_.find(format_.think_close);
  if (close != std::string::npos) {
    std::string_view thought = std::string_view(pending_).substr(0, close);
    out.thinking += thought.substr(0, thought.find_last_not_of(kSpaces) + 1);
    pending_.erase(0, close + format_.think_close.size());
    state_ = State::kAfterThinking;
    trim_ = true;
    return true;
  }
  // Space before a closing tag to come is not part of the thought.
  size_t keep = at_end ? 0 : partial_suffix(pending_, format_.think_close);
  size_t emit = pending_.size() - keep;
  size_t last = std::string_view(pending_).substr(0, emit).find_last_not_of(kSpaces);
  emit = last == std::string::npos ? 0 : last + 1;
  out.thinking += std::string_view(pending_).substr(0, emit);
  pending_.erase(0, emit);
  if (at_end) {
    pending_.clear();
  }
  return false;
}

bool OutputParser::step_content(OutputDelta& out, bool at_end) {
  // A Llama answer that begins with { may be a call without any marker.
  if (format_.tools == ToolFormat::kLlama && !any_content_) {
    std::string_view text = trim_left(pending_);
    if (next_index_ > 0 && starts_with(text, ";")) {
      pending_ = std::string(text.substr(1));  // between two calls
      trim_ = true;
      return true;
    }
    if (starts_with(text, "{")) {
      state_ = State::kCall;
      return true;
    }
    if (text.empty() && !at_end) {
      return false;
    }
  }
  const Marker marker = find_marker();
  const bool found = marker.length > 0;
  const size_t emit = found || !at_end ? marker.at : pending_.size();
  std::string_view text = std::string_view(pending_).substr(0, emit);
  if (only_space_ && text.size() <= kMaxHeldSpace && trim(text).empty()) {
    // Around calls it is dropped; whether a call follows is not known yet.
    if (!found && !at_end) return false;
    if (found) text = {};
  }
  out.content += text;
  only_space_ = only_space_ && text.empty();
  any_content_ = any_content_ || !trim(text).empty();
  pending_.erase(0, emit);
  if (found && marker.opens_call) {
    state_ = State::kCall;
  } else if (found) {
    pending_.erase(0, marker.length);
    trim_ = !any_content_;
  }
  return found;
}

// Which channel the message is on, and whom it is for.
bool OutputParser::step_header(bool at_end) {
  const bool in_prompt = format_.harmony_header.find(kMessage) != std::string::npos;
  const size_t end = in_prompt ? 0 : pending_.find(kMessage);
  const std::string header = format_.harmony_header + pending_.substr(0, end);
  const std::string_view text = trim_left(header);
  const bool sound = text.empty() || text[0] == '<' || is_start_of(text, "assistant") ||
                     starts_with(text, "assistant") || is_start_of(text, "to=") || starts_with(text, "to=");
  if (!sound || header.size() > kMaxHeaderBytes) {
    // No header at all: the text is the answer.
    format_.harmony = false;
    format_.tools = ToolFormat::kNone;
    state_ = State::kContent;
    return true;
  }
  if (end == std::string::npos) {
    if (at_end) pending_.clear();
    return false;
  }
  const auto word_after = [&](std::string_view mark) {
    const size_t at = text.rfind(mark);
    if (at == std::string_view::npos) return std::string_view();
    const std::string_view rest = text.substr(at + mark.size());
    return rest.substr(0, rest.find_first_of(" <\n\t"));
  };
  message_thinks_ = word_after("<|channel|>") == "analysis";
  const std::string_view recipient = word_after("to=");
  called_ = starts_with(recipient, "functions.") ? recipient.substr(std::string_view("functions.").size()) : recipient;
  arguments_.clear();
  pending_.erase(0, in_prompt ? 0 : end + kMessage.size());
  format_.harmony_header.clear();
  state_ = State::kMessage;
  return true;
}

bool OutputParser::step_message(OutputDelta& out, bool at_end) {
  const auto [found, marker] = message_end(pending_);
  size_t emit = std::min(found, pending_.size());
  if (found == std::string_view::npos && !at_end) {
    size_t partial = 0;
    for (const std::string_view end : kMessageEnds) partial = std::max(partial, partial_suffix(pending_, end));
    emit -= partial;
  }
  const std::string_view text = std::string_view(pending_).substr(0, emit);
  if (!called_.empty()) {
    arguments_ += text;
    if (in_pieces_ && format_.tools == ToolFormat::kHarmony && is_offered(called_) && !text.empty()) {
      out.call_pieces.push_back({next_index_, message_begun_ ? std::string() : called_, std::string(text)});
      message_begun_ = true;
    }
    if (arguments_.size() > kMaxCallBytes) end_message(out);
  } else {
    (message_thinks_ ? out.thinking : out.content) += text;
  }
  pending_.erase(0, emit);
  if (found == std::string_view::npos) {
    if (at_end) end_message(out);
    return false;
  }
  end_message(out);
  // A message that begins without the last one's end is read from its first marker on.
  const bool begins = marker == "<|start|>" || marker == "<|channel|>";
  if (!begins) pending_.erase(0, marker.size());
  state_ = State::kHeader;
  return true;
}

void OutputParser::end_message(OutputDelta& out) {
  if (called_.empty()) return;
  const std::string_view text = trim(arguments_);
  Json arguments = text.empty() ? Json::object() : Json::parse(text, nullptr, false);
  const bool called = format_.tools == ToolFormat::kHarmony && arguments.is_object() &&
                      add_call({{"name", called_}, {"arguments", std::move(arguments)}}, out);
  if (!called && message_begun_) ++next_index_;  // broken off; its pieces are out
  if (!called && !message_begun_) out.content += arguments_;
  message_begun_ = false;
  called_.clear();
  arguments_.clear();
}

}  // namespace da::chat
