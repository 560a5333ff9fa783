#include "chat/output_parser.h"

#include <algorithm>
#include <utility>

namespace da::chat {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::string_view kHermesOpen = "<tool_call>";
constexpr std::string_view kHermesClose = "</tool_call>";
constexpr std::string_view kMistralOpen = "[TOOL_CALLS]";
constexpr std::string_view kMistralArguments = "[ARGS]";
constexpr std::string_view kPythonTag = "<|python_tag|>";
// A call longer than this is text; it also bounds what is held back.
constexpr size_t kMaxCallBytes = size_t{1} << 20;

std::string_view trim_left(std::string_view text) {
  size_t first = text.find_first_not_of(kSpaces);
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

std::string_view trim(std::string_view text) {
  text = trim_left(text);
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}

// Length of the longest end of `text` that is a proper start of `marker`.
size_t partial_suffix(std::string_view text, std::string_view marker) {
  for (size_t length = std::min(text.size(), marker.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == marker.substr(0, length)) {
      return length;
    }
  }
  return 0;
}

bool is_start_of(std::string_view text, std::string_view marker) {
  return text.size() < marker.size() && marker.substr(0, text.size()) == text;
}

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

// The end of the JSON object or array at the front of `text`, which must begin with { or [; npos: not complete yet.
size_t json_end(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      i += c == '\\' ? 1 : 0;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

}  // namespace

OutputFormat detect_output_format(std::string_view template_source, std::string_view rendered_prompt) {
  OutputFormat format;
  auto has = [&](std::string_view marker) { return template_source.find(marker) != std::string_view::npos; };
  static constexpr std::pair<std::string_view, std::string_view> kThinking[] = {
      {"<think>", "</think>"},       {"[THINK]", "[/THINK]"},         {"<seed:think>", "</seed:think>"},
      {"<thinking>", "</thinking>"}, {"<reasoning>", "</reasoning>"},
  };
  for (const auto& [open, close] : kThinking) {
    if (has(close)) {
      format.think_open = open;
      format.think_close = close;
      break;
    }
  }
  std::string_view end = rendered_prompt.substr(0, rendered_prompt.find_last_not_of(kSpaces) + 1);
  format.starts_thinking = !format.think_open.empty() && end.size() >= format.think_open.size() &&
                           end.substr(end.size() - format.think_open.size()) == format.think_open;
  if (has(kHermesOpen)) {
    format.tools = ToolFormat::kHermes;
  } else if (has(kMistralOpen)) {
    format.tools = ToolFormat::kMistral;
  } else if (has("<|start_header_id|>") && (has("\"parameters\"") || has(kPythonTag))) {
    format.tools = ToolFormat::kLlama;
  }
  return format;
}

OutputParser::OutputParser(OutputFormat format, std::vector<std::string> tool_names)
    : format_(std::move(format)), tool_names_(std::move(tool_names)) {
  state_ = format_.think_open.empty() || format_.think_close.empty() ? State::kContent
           : format_.starts_thinking                                 ? State::kThinking
                                                                     : State::kStart;
  trim_ = state_ == State::kThinking;
}

std::string_view OutputParser::call_marker() const {
  switch (format_.tools) {
    case ToolFormat::kNone:
      return {};
    case ToolFormat::kHermes:
      return kHermesOpen;
    case ToolFormat::kLlama:
      return kPythonTag;
    case ToolFormat::kMistral:
      return kMistralOpen;
  }
  return {};
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
  std::string_view marker = call_marker();
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
  size_t emit = pending_.size();
  size_t found = marker.empty() ? std::string::npos : pending_.find(marker);
  if (found != std::string::npos) {
    emit = found;
    state_ = State::kCall;
  } else if (!marker.empty() && !at_end) {
    emit -= partial_suffix(pending_, marker);
  }
  std::string_view text = std::string_view(pending_).substr(0, emit);
  if (found != std::string::npos && trim(text).empty()) {
    text = {};  // space between calls
  }
  out.content += text;
  any_content_ = any_content_ || !trim(text).empty();
  pending_.erase(0, emit);
  return found != std::string::npos;
}

bool OutputParser::step_call(OutputDelta& out, bool at_end) {
  if (pending_.size() > kMaxCallBytes) {
    return give_up(out);
  }
  switch (format_.tools) {
    case ToolFormat::kNone:
      return give_up(out);
    case ToolFormat::kHermes:
      return take_hermes(out, at_end);
    case ToolFormat::kLlama:
      return take_llama(out, at_end);
    case ToolFormat::kMistral:
      return take_mistral(out, at_end);
  }
  return false;
}

bool OutputParser::give_up(OutputDelta& out) {
  // At least one byte goes, so that the same marker is not found again.
  size_t size = std::max<size_t>(1, starts_with(pending_, call_marker()) ? call_marker().size() : 1);
  out.content += std::string_view(pending_).substr(0, size);
  pending_.erase(0, size);
  any_content_ = true;
  state_ = State::kContent;
  return true;
}

bool OutputParser::take_hermes(OutputDelta& out, bool at_end) {
  std::string_view text = std::string_view(pending_).substr(kHermesOpen.size());
  size_t close = text.find(kHermesClose);
  if (close == std::string_view::npos && !at_end) {
    return false;
  }
  // Models forget the closing tag at the end of an answer.
  if (!add_calls(trim(text.substr(0, close)), out)) {
    return give_up(out);
  }
  pending_.erase(0,
                 close == std::string_view::npos ? pending_.size() : kHermesOpen.size() + close + kHermesClose.size());
  state_ = State::kContent;
  trim_ = true;
  return true;
}

bool OutputParser::take_llama(OutputDelta& out, bool at_end) {
  std::string_view text = trim_left(pending_);
  if (starts_with(text, kPythonTag)) {
    text = trim_left(text.substr(kPythonTag.size()));
  }
  if (text.empty() && !at_end) {
    return false;
  }
  if (text.empty() || text[0] != '{') {
    return give_up(out);
  }
  size_t end = json_end(text);
  if (end == std::string_view::npos && !at_end) {
    return false;
  }
  if (end == std::string_view::npos || !add_calls(text.substr(0, end), out)) {
    return give_up(out);
  }
  pending_ = std::string(text.substr(end));
  state_ = State::kContent;
  trim_ = true;
  return true;
}

bool OutputParser::take_mistral(OutputDelta& out, bool at_end) {
  std::string_view text = trim_left(std::string_view(pending_).substr(kMistralOpen.size()));
  size_t end = std::string_view::npos;
  if (text.empty() && !at_end) {
    return false;
  }
  bool called = false;
  if (!text.empty() && (text[0] == '[' || text[0] == '{')) {
    end = json_end(text);
    if (end == std::string_view::npos && !at_end) {
      return false;
    }
    called = end != std::string_view::npos && add_calls(text.substr(0, end), out);
  } else {
    // name[ARGS]{…}, or name{…} in some releases.
    size_t brace = text.find('{');
    end = brace == std::string_view::npos ? brace : json_end(text.substr(brace));
    if (end == std::string_view::npos && !at_end) {
      return false;
    }
    if (end != std::string_view::npos) {
      std::string_view name = text.substr(0, brace);
      name = trim(name.substr(0, name.find(kMistralArguments)));
      Json arguments = Json::parse(text.substr(brace, end), nullptr, false);
      end += brace;
      Json call = {{"name", std::string(name)},
                   {"arguments", arguments.is_discarded() ? Json() : std::move(arguments)}};
      called = add_call(call, out);
    }
  }
  if (!called) {
    return give_up(out);
  }
  pending_ = std::string(text.substr(end));
  state_ = State::kContent;
  trim_ = true;
  return true;
}

// One call, or a list of them; all or none.
bool OutputParser::add_calls(std::string_view json_text, OutputDelta& out) {
  Json json = Json::parse(json_text, nullptr, false);
  if (!json.is_array()) {
    return add_call(json, out);
  }
  OutputDelta calls;
  int first_index = next_index_;
  for (const Json& element : json) {
    if (!add_call(element, calls)) {
      next_index_ = first_index;
      return false;
    }
  }
  std::move(calls.tool_calls.begin(), calls.tool_calls.end(), std::back_inserter(out.tool_calls));
  return !json.empty();
}

bool OutputParser::add_call(const Json& json, OutputDelta& out) {
  if (!json.is_object()) {
    return false;
  }
  auto name = json.find("name");
  if (name == json.end() || !name->is_string() || !is_offered(name->get_ref<const std::string&>())) {
    return false;
  }
  auto arguments = json.find("arguments");
  if (arguments == json.end()) {
    arguments = json.find("parameters");
  }
  ToolCall call;
  call.name = name->get_ref<const std::string&>();
  if (arguments != json.end() && !arguments->is_null()) {
    call.arguments =
        arguments->is_string() ? Json::parse(arguments->get_ref<const std::string&>(), nullptr, false) : *arguments;
    if (!call.arguments.is_object()) {
      return false;
    }
  }
  if (auto id = json.find("id"); id != json.end() && id->is_string()) {
    call.id = id->get_ref<const std::string&>();
  }
  call.index = next_index_++;
  out.tool_calls.push_back(std::move(call));
  return true;
}

bool OutputParser::is_offered(const std::string& name) const {
  return tool_names_.empty() || std::find(tool_names_.begin(), tool_names_.end(), name) != tool_names_.end();
}

}  // namespace da::chat
