#include "chat/chat_template.h"

#include <utility>

namespace da::chat {
namespace {

using Json = nlohmann::ordered_json;

// A message as templates of Hugging Face expect it.
Json jinja_message(const Message& message) {
  Json json = {{"role", message.role}, {"content", message.content}};
  if (!message.thinking.empty()) {
    // The families disagree on the name.
    json["reasoning_content"] = message.thinking;
    json["thinking"] = message.thinking;
  }
  if (!message.tool_calls.empty()) {
    Json calls = Json::array();
    for (const ToolCall& call : message.tool_calls) {
      Json entry = {{"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
      if (!call.id.empty()) {
        entry["id"] = call.id;
      }
      calls.push_back(std::move(entry));
    }
    json["tool_calls"] = std::move(calls);
  }
  if (!message.tool_name.empty()) {
    json["name"] = message.tool_name;
  }
  if (!message.tool_call_id.empty()) {
    json["tool_call_id"] = message.tool_call_id;
  }
  return json;
}

bool needs_system(const std::vector<Message>& messages, const ChatOptions& options) {
  return !options.system.empty() && (messages.empty() || messages.front().role != "system");
}

}  // namespace

Result<ChatTemplate> ChatTemplate::from_jinja(std::string_view source, std::string_view bos_token,
                                              std::string_view eos_token) {
  ChatTemplate result;
  DA_ASSIGN_OR_RETURN(result.jinja_, JinjaTemplate::parse(source));
  result.source_ = source;
  result.bos_token_ = bos_token;
  result.eos_token_ = eos_token;
  return result;
}

Result<ChatTemplate> ChatTemplate::from_go(std::string_view source) {
  ChatTemplate result;
  DA_ASSIGN_OR_RETURN(result.go_, GoTemplate::parse(source));
  result.source_ = source;
  return result;
}

bool ChatTemplate::supports_thinking() const {
  if (go_ != nullptr) {
    return mentions("thinking") || mentions("think");
  }
  return mentions("enable_thinking") || mentions("reasoning_effort") || mentions("thinking") ||
         source_.find("<think>") != std::string::npos || source_.find("reasoning_content") != std::string::npos;
}

Result<std::string> ChatTemplate::render(const std::vector<Message>& messages, const Json& tools,
                                         const ChatOptions& options) const {
  return go_ != nullptr ? render_go(messages, tools, options) : render_jinja(messages, tools, options);
}

Result<std::string> ChatTemplate::render_jinja(const std::vector<Message>& messages, const Json& tools,
                                               const ChatOptions& options) const {
  Json list = Json::array();
  if (needs_system(messages, options)) {
    list.push_back({{"role", "system"}, {"content", options.system}});
  }
  for (const Message& message : messages) {
    list.push_back(jinja_message(message));
  }
  bool no_tools = !tools.is_array() || tools.empty();
  Json variables = {
      {"messages", std::move(list)},
      {"tools", no_tools ? Json() : tools},
      {"documents", nullptr},
      {"add_generation_prompt", options.add_generation_prompt},
  };
  if (!bos_token_.empty()) {
    variables["bos_token"] = bos_token_;
  }
  if (!eos_token_.empty()) {
    variables["eos_token"] = eos_token_;
  }
  if (options.think) {
    variables["enable_thinking"] = *options.think;
    variables["thinking"] = *options.think;
  }
  if (!options.think_level.empty()) {
    variables["reasoning_effort"] = options.think_level;
  }
  if (options.variables.is_object()) {
    for (const auto& [name, value] : options.variables.items()) {
      variables[name] = value;
    }
  }
  return jinja_->render(variables, options.render);
}

Result<std::string> ChatTemplate::render_go(const std::vector<Message>& messages, const Json& tools,
                                            const ChatOptions& options) const {
  Json list = Json::array();
  if (needs_system(messages, options)) {
    list.push_back({{"role", "system"}, {"content", options.system}});
  }
  for (const Message& message : messages) {
    list.push_back(message_to_json(message));
  }
  bool level = !options.think_level.empty();
  Json values = {
      {"messages", std::move(list)},
      {"tools", tools.is_array() ? tools : Json()},
      {"think", options.think.value_or(level)},
      {"think_level", options.think_level},
      {"is_think_set", options.think.has_value() || level},
      {"prompt", options.prompt},
      {"suffix", options.suffix},
  };
  return go_->render_chat(values, options.render);
}

}  // namespace da::chat
