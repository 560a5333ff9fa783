#include "chat/tool_calls.h"

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

}  // namespace

Json read_tool_calls(std::string_view text) {
  text = trim(text);
  if (text.starts_with("<function=")) return function_tags(text);
  if (text.starts_with("<｜tool▁call▁begin｜>")) return deepseek_calls(text);
  if (text.find("<arg_key>") != std::string_view::npos && !text.starts_with('{')) return key_value_tags(text);
  Json calls = Json::parse(text, nullptr, false);
  return calls.is_object() ? Json::array({std::move(calls)}) : calls;
}

}  // namespace da::chat
