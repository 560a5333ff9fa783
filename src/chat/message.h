#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace da::chat {

struct ToolCall {
  std::string id;
  std::string name;
  int index = 0;
  nlohmann::ordered_json arguments = nlohmann::ordered_json::object();
};

// One message of a conversation, in the terms of Ollama's API.
struct Message {
  std::string role;  // system, user, assistant, tool
  std::string content;
  std::string thinking;
  std::vector<ToolCall> tool_calls;
  std::string tool_name;     // of a tool's answer
  std::string tool_call_id;  // of a tool's answer
};

// Reads a message of Ollama's API: the role is lower-cased, content must be text, arguments an object (a JSON text of
// one is accepted too, as OpenAI's clients send it). kInvalidArgument names the field that is wrong.
Result<Message> message_from_json(const nlohmann::ordered_json& json);
Result<std::vector<Message>> messages_from_json(const nlohmann::ordered_json& json);

// The same form back; empty fields are left out, except role and content.
nlohmann::ordered_json message_to_json(const Message& message);

}  // namespace da::chat
