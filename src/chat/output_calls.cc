#include <algorithm>
#include <utility>

#include "chat/output_parser.h"
#include "chat/output_text.h"
#include "chat/tool_calls.h"

// The parser's half that reads calls.
namespace da::chat {

using Json = nlohmann::ordered_json;

bool OutputParser::step_call(OutputDelta& out, bool at_end) {
  if (pending_.size() > kMaxCallBytes) {
    return give_up(out);
  }
  switch (format_.tools) {
    case ToolFormat::kNone:
    case ToolFormat::kHarmony:
      return give_up(out);
    case ToolFormat::kTagged:
      return take_tagged(out, at_end);
    case ToolFormat::kLlama:
      return take_llama(out, at_end);
    case ToolFormat::kMistral:
      return take_mistral(out, at_end);
  }
  return false;
}

void OutputParser::stream_call(OutputDelta& out, size_t size, bool ended) {
  if (!in_pieces_ || (stream_ == nullptr && size <= streamed_)) return;
  const std::string_view text = std::string_view(pending_).substr(0, size);
  if (stream_ == nullptr) {
    const bool has_mark = format_.tools != ToolFormat::kLlama || starts_with(trim_left(text), kPythonTag);
    const size_t mark = !has_mark                               ? 0
                        : format_.tools == ToolFormat::kTagged  ? format_.call_open.size()
                        : format_.tools == ToolFormat::kMistral ? kMistralOpen.size()
                                                                : text.find(kPythonTag) + kPythonTag.size();
    const std::string_view call = trim_left(text.substr(std::min(size, std::max(mark, streamed_))));
    streamed_ = size - call.size();
    if (call.empty()) return;
    const auto is_offered = [this](const std::string& name) { return this->is_offered(name); };
    if (format_.tools == ToolFormat::kMistral && call[0] != '{' && call[0] != '[')
      stream_ = headed_call_stream(CallHeader::kMistral, next_index_, is_offered);
    else
      stream_ = make_call_stream(call, next_index_, is_offered);
    if (stream_ == nullptr) return;
  }
  if (size > streamed_) stream_->feed(text.substr(streamed_), out.call_pieces);
  streamed_ = std::max(streamed_, size);
  if (ended) (void)stream_->finish(out.call_pieces);
}

void OutputParser::leave_call() {
  searched_ = streamed_ = 0;
  json_end_.reset();
  stream_.reset();
  only_space_ = true;
  state_ = State::kContent;
}

bool OutputParser::give_up(OutputDelta& out) {
  if (stream_ && stream_->has_begun_any()) {
    // A client has the call's beginning already; its text is no answer.
    while (stream_->has_begun(next_index_)) ++next_index_;
    pending_.clear();
    any_content_ = true;
    leave_call();
    return false;
  }
  // At least one byte goes, so that the same marker is not found again.
  const Marker marker = find_marker();
  const size_t size = marker.at == 0 && marker.opens_call ? marker.length : 1;
  out.content += std::string_view(pending_).substr(0, size);
  pending_.erase(0, size);
  any_content_ = true;
  leave_call();
  only_space_ = false;
  return true;
}

bool OutputParser::take_tagged(OutputDelta& out, bool at_end) {
  const std::string_view text = std::string_view(pending_).substr(format_.call_open.size());
  size_t end = std::string_view::npos, after = 0;  // of the calls, and of the closing tag
  if (!format_.call_close.empty()) {
    end = text.find(format_.call_close, searched_);
    after = format_.call_close.size();
    if (end == std::string_view::npos) searched_ = text.size() < after ? 0 : text.size() - after + 1;
  } else if (const std::string_view json = trim_left(text); !json.empty() && (json[0] == '[' || json[0] == '{')) {
    end = json_end_.find(json);
    if (end != std::string_view::npos) end += text.size() - json.size();
  } else if (!json.empty()) {
    return give_up(out);
  }
  if (end == std::string_view::npos && !at_end) {
    // What may be the beginning of the closing tag is not part of the call.
    const size_t partial = format_.call_close.empty() ? 0 : partial_suffix(pending_, format_.call_close);
    stream_call(out, pending_.size() - partial, false);
    return false;
  }
  // Models forget the closing tag at the end of an answer.
  stream_call(out, end == std::string_view::npos ? pending_.size() : format_.call_open.size() + end, true);
  if (!add_calls(text.substr(0, end), out)) {
    return give_up(out);
  }
  pending_.erase(0, end == std::string_view::npos ? pending_.size() : format_.call_open.size() + end + after);
  leave_call();
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
  stream_call(out, pending_.size(), false);
  size_t end = json_end_.find(text);
  if (end == std::string_view::npos && !at_end) {
    return false;
  }
  if (end == std::string_view::npos || !add_calls(text.substr(0, end), out)) {
    return give_up(out);
  }
  pending_ = std::string(text.substr(end));
  leave_call();
  trim_ = true;
  return true;
}

bool OutputParser::take_mistral(OutputDelta& out, bool at_end) {
  std::string_view text = trim_left(std::string_view(pending_).substr(kMistralOpen.size()));
  size_t end = std::string_view::npos;
  if (text.empty() && !at_end) {
    return false;
  }
  stream_call(out, pending_.size(), false);
  bool called = false;
  if (!text.empty() && (text[0] == '[' || text[0] == '{')) {
    end = json_end_.find(text);
    if (end == std::string_view::npos && !at_end) {
      return false;
    }
    called = end != std::string_view::npos && add_calls(text.substr(0, end), out);
  } else {
    // name[ARGS]{…}, or name{…} in some releases.
    size_t brace = text.find('{');
    end = brace == std::string_view::npos ? brace : json_end_.find(text.substr(brace));
    if (end == std::string_view::npos && !at_end) {
      return false;
    }
    if (end != std::string_view::npos) {
      std::string_view name = text.substr(0, brace);
      name = trim(name.substr(0, name.find('[')));  // [CALL_ID]… or [ARGS] may follow
      Json arguments = Json::parse(text.substr(brace, end), nullptr, false);
      end += brace;
      called =
          arguments.is_object() && add_call({{"name", std::string(name)}, {"arguments", std::move(arguments)}}, out);
    }
  }
  if (!called) {
    return give_up(out);
  }
  pending_ = std::string(text.substr(end));
  leave_call();
  trim_ = true;
  return true;
}

// All of them or none.
bool OutputParser::add_calls(std::string_view text, OutputDelta& out) {
  Json list = read_tool_calls(text);
  // A name alone, where all there are are known, calls without arguments.
  if (list.is_discarded() && !tool_names_.empty() && is_offered(std::string(trim(text))))
    list = Json::array({{{"name", std::string(trim(text))}}});
  if (!list.is_array()) {
    return false;
  }
  OutputDelta calls;
  int first_index = next_index_;
  for (const Json& element : list) {
    if (!add_call(element, calls)) {
      next_index_ = first_index;
      return false;
    }
  }
  std::move(calls.tool_calls.begin(), calls.tool_calls.end(), std::back_inserter(out.tool_calls));
  std::move(calls.call_pieces.begin(), calls.call_pieces.end(), std::back_inserter(out.call_pieces));
  return !list.empty();
}

bool OutputParser::add_call(const Json& json, OutputDelta& out) {
  if (!json.is_object()) {
    return false;
  }
  auto name = json.find("name");
  if (name == json.end()) {
    name = json.find("tool_name");
  }
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
  for (const char* key : {"id", "tool_call_id"}) {
    if (const auto id = json.find(key); id != json.end() && id->is_string())
      call.id = id->get_ref<const std::string&>();
  }
  // What a client has been told is what counts, should the model have written arguments twice.
  if (stream_ != nullptr && stream_->has_begun(next_index_)) {
    call.arguments = Json::parse(stream_->arguments(next_index_), nullptr, false);
    if (!call.arguments.is_object()) return false;
  }
  call.index = next_index_++;
  // One that did not come in pieces is a piece itself.
  if (in_pieces_ && !message_begun_ && (!stream_ || !stream_->has_begun(call.index)))
    out.call_pieces.push_back(
        {call.index, call.name, call.arguments.dump(-1, ' ', false, Json::error_handler_t::replace), call.id});
  out.tool_calls.push_back(std::move(call));
  return true;
}

bool OutputParser::is_offered(const std::string& name) const {
  return tool_names_.empty() || std::find(tool_names_.begin(), tool_names_.end(), name) != tool_names_.end();
}

}  // namespace da::chat
