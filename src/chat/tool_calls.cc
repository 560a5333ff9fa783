#include "chat/tool_calls.h"

#include <algorithm>
#include <string>

#include "chat/output_text.h"

namespace da::chat {
namespace {

using Json = nlohmann::ordered_json;

const Json kNoCalls = Json(Json::value_t::discarded);

// What stands before `mark`, taken off the front of `text` together with it; false if it is not there.
bool take_until(std::string_view& text, std::string_view mark, std::string_view& before) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return false;
  before = text.substr(0, at);
  text.remove_prefix(at + mark.size());
  return true;
}

// Values are written without quotes: what reads as another JSON value is one.
Json value_of(std::string_view text) {
  Json value = Json::parse(trim(text), nullptr, false);
  if (!value.is_discarded() && !value.is_string()) return value;
  if (text.starts_with('\n')) text.remove_prefix(1);
  if (text.ends_with('\n')) text.remove_suffix(1);
  return std::string(text);
}

Json deepseek_calls(std::string_view text) {
  Json calls = Json::array();
  std::string_view before, call;
  while (take_until(text, "<｜tool▁call▁begin｜>", before)) {
    if (!take_until(text, "<｜tool▁call▁end｜>", call)) {
      call = text;
      text = {};
    }
    std::string_view name;
    if (!take_until(call, "<｜tool▁sep｜>", name)) return kNoCalls;
    if (trim(name) == "function") {
      if (!take_until(call, "\n", name)) return kNoCalls;
    }
    const size_t open = call.find('{'), close = call.rfind('}');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) return kNoCalls;
    calls.push_back({{"name", std::string(trim(name))},
                     {"arguments", Json::parse(call.substr(open, close + 1 - open), nullptr, false)}});
  }
  return calls;
}

Json function_tags(std::string_view text) {
  Json calls = Json::array();
  std::string_view before, name, body;
  while (take_until(text, "<function=", before)) {
    if (!take_until(text, ">", name)) return kNoCalls;
    if (!take_until(text, "</function>", body)) {
      body = text;
      text = {};
    }
    Json arguments = Json::object();
    std::string_view key, value;
    while (take_until(body, "<parameter=", before)) {
      if (!take_until(body, ">", key) || !take_until(body, "</parameter>", value)) return kNoCalls;
      arguments[std::string(trim(key))] = value_of(value);
    }
    calls.push_back({{"name", std::string(trim(name))}, {"arguments", std::move(arguments)}});
  }
  return calls;
}

Json key_value_tags(std::string_view text) {
  std::string_view name, key, value, before;
  if (!take_until(text, "<arg_key>", name)) return kNoCalls;
  Json arguments = Json::object();
  do {
    if (!take_until(text, "</arg_key>", key) || !take_until(text, "<arg_value>", before) ||
        !take_until(text, "</arg_value>", value))
      return kNoCalls;
    arguments[std::string(trim(key))] = value_of(value);
  } while (take_until(text, "<arg_key>", before));
  return Json::array({{{"name", std::string(trim(name))}, {"arguments", std::move(arguments)}}});
}

// What stands between <function= and </function> where these are the tags: name>{…}
Json named_call(std::string_view text) {
  std::string_view name;
  if (!take_until(text, ">", name)) return kNoCalls;
  Json arguments = Json::parse(trim(text), nullptr, false);
  if (!arguments.is_object()) return kNoCalls;
  return Json::array({{{"name", std::string(trim(name))}, {"arguments", std::move(arguments)}}});
}

Json kimi_calls(std::string_view text) {
  Json calls = Json::array();
  std::string_view before, id, arguments;
  while (take_until(text, "<|tool_call_begin|>", before)) {
    if (!take_until(text, "<|tool_call_argument_begin|>", id)) return kNoCalls;
    if (!take_until(text, "<|tool_call_end|>", arguments)) {
      arguments = text;
      text = {};
    }
    // functions.name:0
    id = trim(id);
    std::string_view name = id.substr(0, id.rfind(':'));
    if (name.starts_with("functions.")) name.remove_prefix(std::string_view("functions.").size());
    calls.push_back({{"id", std::string(id)},
                     {"name", std::string(name)},
                     {"arguments", Json::parse(trim(arguments), nullptr, false)}});
  }
  return calls;
}

// Gemma's own notation: {key:value,…}, […], bare numbers and words, texts between two marks.
class GemmaReader {
 public:
  explicit GemmaReader(std::string_view text) : text_(text) {}
  // call:name{…}
  Json call() {
    if (!take("call:")) return kNoCalls;
    const size_t brace = text_.find('{');
    if (brace == std::string_view::npos) return kNoCalls;
    const std::string name(trim(text_.substr(0, brace)));
    text_.remove_prefix(brace);
    Json arguments = value(0);
    if (!arguments.is_object()) return kNoCalls;
    return {{"name", name}, {"arguments", std::move(arguments)}};
  }
  bool is_at_end() {
    text_ = trim_left(text_);
    return text_.empty();
  }

 private:
  static constexpr int kMaxDepth = 64;
  bool take(std::string_view mark) {
    text_ = trim_left(text_);
    if (!text_.starts_with(mark)) return false;
    text_.remove_prefix(mark.size());
    return true;
  }
  Json value(int depth) {
    if (depth > kMaxDepth) return kNoCalls;
    for (const std::string_view mark : {"<|\"|>", "<escape>"}) {
      std::string_view text;
      if (take(mark)) return take_until(text_, mark, text) ? Json(std::string(text)) : kNoCalls;
    }
    if (take("{")) return members(depth);
    if (take("[")) return elements(depth);
    const std::string_view word = trim(text_.substr(0, text_.find_first_of(",]}")));
    text_.remove_prefix(std::min(text_.size(), text_.find_first_of(",]}")));
    Json read = Json::parse(word, nullptr, false);
    return read.is_discarded() ? Json(std::string(word)) : read;
  }
  Json members(int depth) {
    Json object = Json::object();
    if (take("}")) return object;
    do {
      std::string_view key;
      if (!take_until(text_, ":", key)) return kNoCalls;
      Json read = value(depth + 1);
      if (read.is_discarded()) return kNoCalls;
      object[std::string(trim(key))] = std::move(read);
    } while (take(","));
    return take("}") ? object : kNoCalls;
  }
  Json elements(int depth) {
    Json array = Json::array();
    if (take("]")) return array;
    do {
      Json read = value(depth + 1);
      if (read.is_discarded()) return kNoCalls;
      array.push_back(std::move(read));
    } while (take(","));
    return take("]") ? array : kNoCalls;
  }
  std::string_view text_;
};

Json gemma_calls(std::string_view text) {
  Json calls = Json::array();
  GemmaReader reader(text);
  do {
    Json call = reader.call();
    if (call.is_discarded()) return kNoCalls;
    calls.push_back(std::move(call));
  } while (!reader.is_at_end());
  return calls;
}

}  // namespace

Json read_tool_calls(std::string_view text) {
  text = trim(text);
  if (text.starts_with("call:")) return gemma_calls(text);
  if (text.starts_with("<|tool_call_begin|>")) return kimi_calls(text);
  if (text.starts_with("<function=")) return function_tags(text);
  if (text.starts_with("<｜tool▁call▁begin｜>")) return deepseek_calls(text);
  if (text.find("<arg_key>") != std::string_view::npos && !text.starts_with('{')) return key_value_tags(text);
  Json calls = Json::parse(text, nullptr, false);
  if (calls.is_discarded() && !text.empty() && text[0] != '{' && text[0] != '[') return named_call(text);
  return calls.is_object() ? Json::array({std::move(calls)}) : calls;
}

}  // namespace da::chat
