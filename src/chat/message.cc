#include "chat/message.h"

#include <utility>

#include "chat/unicode_text.h"

namespace da::chat {
namespace {

using Json = nlohmann::ordered_json;

Status bad_field(const std::string& field, const std::string& expected) {
  return {ErrorCode::kInvalidArgument, "message: '" + field + "' is not " + expected};
}

// An optional text; absent and null leave it empty.
Status read_text(const Json& json, const char* field, std::string& out) {
  auto found = json.find(field);
  if (found == json.end() || found->is_null()) {
    return Status::ok();
  }
  if (!found->is_string()) {
    return bad_field(field, "a string");
  }
  out = found->get_ref<const std::string&>();
  return Status::ok();
}

Result<ToolCall> tool_call_from_json(const Json& json) {
  auto function = json.is_object() ? json.find("function") : json.end();
  if (!json.is_object() || function == json.end() || !function->is_object()) {
    return bad_field("tool_calls", "a list of objects with a function");
  }
  ToolCall call;
  DA_RETURN_IF_ERROR(read_text(json, "id", call.id));
  DA_RETURN_IF_ERROR(read_text(*function, "name", call.name));
  if (auto index = function->find("index"); index != function->end() && index->is_number_integer()) {
    call.index = static_cast<int>(*index->get_ptr<const int64_t*>());
  }
  auto arguments = function->find("arguments");
  if (arguments == function->end() || arguments->is_null()) {
    return call;
  }
  call.arguments =
      arguments->is_string() ? Json::parse(arguments->get_ref<const std::string&>(), nullptr, false) : *arguments;
  if (!call.arguments.is_object()) {
    return bad_field("arguments", "an object");
  }
  return call;
}

}  // namespace

Result<Message> message_from_json(const Json& json) {
  if (!json.is_object()) {
    return Status(ErrorCode::kInvalidArgument, "message: not an object");
  }
  Message message;
  DA_RETURN_IF_ERROR(read_text(json, "role", message.role));
  message.role = unicode::lower(message.role);
  DA_RETURN_IF_ERROR(read_text(json, "content", message.content));
  DA_RETURN_IF_ERROR(read_text(json, "thinking", message.thinking));
  DA_RETURN_IF_ERROR(read_text(json, "tool_name", message.tool_name));
  DA_RETURN_IF_ERROR(read_text(json, "tool_call_id", message.tool_call_id));
  auto calls = json.find("tool_calls");
  if (calls == json.end() || calls->is_null()) {
    return message;
  }
  if (!calls->is_array()) {
    return bad_field("tool_calls", "a list");
  }
  for (const Json& call : *calls) {
    DA_ASSIGN_OR_RETURN(ToolCall read, tool_call_from_json(call));
    message.tool_calls.push_back(std::move(read));
  }
  return message;
}

Result<std::vector<Message>> messages_from_json(const Json& json) {
  if (!json.is_array()) {
    return Status(ErrorCode::kInvalidArgument, "messages: not a list");
  }
  std::vector<Message> messages;
  for (const Json& element : json) {
    DA_ASSIGN_OR_RETURN(Message message, message_from_json(element));
    messages.push_back(std::move(message));
  }
  return messages;
}

Json message_to_json(const Message& message) {
  Json json = {{"role", message.role}, {"content", message.content}};
  if (!message.thinking.empty()) {
    json["thinking"] = message.thinking;
  }
  if (!message.tool_calls.empty()) {
    Json calls = Json::array();
    for (const ToolCall& call : message.tool_calls) {
      Json entry = Json::object();
      if (!call.id.empty()) {
        entry["id"] = call.id;
      }
      entry["function"] = {{"index", call.index}, {"name", call.name}, {"arguments", call.arguments}};
      calls.push_back(std::move(entry));
    }
    json["tool_calls"] = std::move(calls);
  }
  if (!message.tool_name.empty()) {
    json["tool_name"] = message.tool_name;
  }
  if (!message.tool_call_id.empty()) {
    json["tool_call_id"] = message.tool_call_id;
  }
  return json;
}

}  // namespace da::chat
