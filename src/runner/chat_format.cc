#include "runner/chat_format.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "chat/go_template.h"
#include "chat/jinja.h"

namespace da::runner {
namespace {

using Json = nlohmann::ordered_json;

// Messages in the shape Hugging Face's templates know: thinking is reasoning_content, a tool's name is name.
Json for_jinja(const Json& messages) {
  Json result = Json::array();
  for (const Json& message : messages) {
    Json copy = message;
    if (copy.contains("thinking")) {
      copy["reasoning_content"] = copy["thinking"];
      copy.erase("thinking");
    }
    if (copy.contains("tool_name") && !copy.contains("name")) copy["name"] = copy["tool_name"];
    if (copy.contains("tool_calls") && copy["tool_calls"].is_array()) {
      for (Json& call : copy["tool_calls"]) {
        if (call.is_object() && !call.contains("type")) call["type"] = "function";
      }
    }
    result.push_back(std::move(copy));
  }
  return result;
}

}  // namespace

Result<Render> compile_jinja(std::string_view source, std::string bos, std::string eos) {
  DA_ASSIGN_OR_RETURN(std::shared_ptr<const chat::JinjaTemplate> compiled, chat::JinjaTemplate::parse(source));
  return Render([compiled, bos = std::move(bos), eos = std::move(eos)](const Conversation& conversation) -> Result<std::string> {
    Json variables = {{"messages", for_jinja(conversation.messages)},
                      {"tools", conversation.tools.empty() ? Json() : conversation.tools},
                      {"documents", nullptr},
                      {"add_generation_prompt", true},
                      {"bos_token", bos},
                      {"eos_token", eos}};
    // Absent means the template's own default, so nothing is set for a request that says nothing.
    if (conversation.think.is_boolean()) variables["enable_thinking"] = conversation.think;
    if (conversation.think.is_string()) {
      variables["enable_thinking"] = true;
      variables["reasoning_effort"] = conversation.think;
    }
    return compiled->render(variables);
  });
}

Result<Render> compile_go(const std::string& source) {
  auto parsed = chat::GoTemplate::parse(source);
  if (!parsed.is_ok()) return Status(ErrorCode::kInvalidArgument, "template error: " + parsed.status().message());
  return Render([compiled = std::shared_ptr<const chat::GoTemplate>(std::move(*parsed))](
                    const Conversation& conversation) -> Result<std::string> {
    Json values = {{"messages", conversation.messages}};
    if (!conversation.tools.empty()) values["tools"] = conversation.tools;
    if (!conversation.think.is_null()) {
      values["is_think_set"] = true;
      values["think"] = conversation.think.is_string() || conversation.think == true;
      if (conversation.think.is_string()) values["think_level"] = conversation.think;
    }
    if (!conversation.suffix.empty()) {
      values["prompt"] = conversation.messages.back()["content"];
      values["suffix"] = conversation.suffix;
    }
    return compiled->render_chat(values);
  });
}

}  // namespace da::runner
