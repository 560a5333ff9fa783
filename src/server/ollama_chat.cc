// POST /api/chat
#include "server/ollama_run.h"

namespace da::server {

namespace {

using namespace ollama;  // NOLINT(google-build-using-namespace): this file is its dialect

constexpr size_t kMaxTools = 512;

void add_delta(Json& chunk, Delta& delta) {
  Json message = {{"role", "assistant"}, {"content", std::move(delta.text)}};
  if (!delta.thinking.empty()) message["thinking"] = std::move(delta.thinking);
  if (!delta.tool_calls.empty()) message["tool_calls"] = std::move(delta.tool_calls);
  chunk["message"] = std::move(message);
}

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// One message as the runner takes it; faults go to `fields` under "messages.".
nlohmann::json read_message(const Json& message, Fields& fields, bool& has_images) {
  nlohmann::json result = nlohmann::json::object();
  if (!message.is_object()) {
    fields.wrong_type("messages", message, "api.Message");
    return result;
  }
  Fields inner(message, "ChatRequest.messages");
  result["role"] = lower_case(inner.text("role"));
  result["content"] = inner.text("content");
  for (const char* key : {"thinking", "tool_name", "tool_call_id"}) {
    std::string text = inner.text(key);
    if (!text.empty()) result[key] = std::move(text);
  }
  if (const Json* calls = inner.array("tool_calls"); calls != nullptr && !calls->empty()) {
    for (const Json& call : *calls) {
      const bool sound = call.is_object() && call.contains("function") && call["function"].is_object() &&
                         call["function"].contains("name") && call["function"]["name"].is_string();
      if (!sound)
        inner.wrong_type("tool_calls", call, "api.ToolCall");
      else if (const auto arguments = call["function"].find("arguments");
               arguments != call["function"].end() && !arguments->is_object() && !arguments->is_null()) {
        inner.wrong_type("tool_calls.function.arguments", *arguments, "api.ToolCallFunctionArguments");
      }
    }
    result["tool_calls"] = to_text(*calls);   // as text: the order of arguments is part of the prompt
  }
  if (const Json* images = inner.array("images"); images != nullptr && !images->empty()) has_images = true;
  if (!inner.status().is_ok()) fields.fail(inner.status().message());
  return result;
}

struct ChatFields {
  nlohmann::json messages = nlohmann::json::array();
  nlohmann::json tools;
  bool has_images = false;
};

ChatFields read_fields(Fields& fields) {
  ChatFields read;
  if (const Json* messages = fields.array("messages")) {
    for (const Json& message : *messages) read.messages.push_back(read_message(message, fields, read.has_images));
  }
  if (const Json* tools = fields.array("tools"); tools != nullptr && !tools->empty()) {
    if (tools->size() > kMaxTools) fields.fail("more than " + std::to_string(kMaxTools) + " tools");
    for (const Json& tool : *tools) {
      if (!tool.is_object()) fields.wrong_type("tools", tool, "api.Tool");
    }
    read.tools = to_text(*tools);
  }
  return read;
}

// The model's SYSTEM unless the conversation has one, its MESSAGEs after the system message, then the request's.
nlohmann::json conversation(nlohmann::json messages, const store::ModelInfo& model) {
  nlohmann::json result = nlohmann::json::array();
  size_t next = 0;
  if (messages.front()["role"] == "system") {
    result.push_back(std::move(messages[next++]));
  } else if (!model.system.empty()) {
    result.push_back({{"role", "system"}, {"content", model.system}});
  }
  for (const Json& message : model.messages) result.push_back(nlohmann::json(message));
  for (; next < messages.size(); ++next) result.push_back(std::move(messages[next]));
  return result;
}

std::optional<Response> build_request(ChatFields& read, const SharedFields& shared, Call& call) {
  if (!call.model.capabilities.empty() && !has_capability(call.model, "completion")) {
    return error_response(400, "\"" + call.name + "\" does not support chat");
  }
  call.wants_tools = !read.tools.is_null();
  if (call.wants_tools && !has_capability(call.model, "tools")) {
    return error_response(400, full_name(call) + " does not support tools");
  }
  if (read.has_images) return error_response(400, "\"" + call.name + "\" does not support images");
  nlohmann::json& request = call.runner_request;
  request = {{"op", "generate"}};
  if (auto refusal = apply_think(call, shared.think, request)) return refusal;
  auto options = merge_options(call.model.parameters, shared.options);
  if (!options.is_ok()) return error_response(500, options.status().message());
  take_load_options(*options, call.model);
  request["options"] = std::move(*options);
  if (!shared.format.is_null()) request["format"] = shared.format;
  if (!call.model.go_template.empty()) request["template"] = call.model.go_template;
  if (call.wants_tools) request["tools"] = std::move(read.tools);
  request.update(shared.cuts);
  if (!call.empty) request["messages"] = conversation(std::move(read.messages), call.model);
  return std::nullopt;
}

Awaitable<void> handle_chat(App& app, Exchange& exchange) {
  Result<Json> parsed = parse_object(exchange.request().body, "ChatRequest");
  if (!parsed.is_ok()) {
    co_await exchange.send(error_response(400, parsed.status().message()));
    co_return;
  }
  wipe(exchange.request().body);
  Call call{.kind = "chat"};
  SharedFields shared;
  Fields fields(*parsed, "ChatRequest");
  ChatFields read = read_fields(fields);
  std::optional<Response> refusal = read_shared_fields(app, exchange.request(), fields, call, shared);
  if (!refusal && call.reference.empty()) refusal = error_response(400, "model is required");
  if (!refusal) refusal = co_await resolve_model(app, call);
  if (!refusal) {
    call.empty = read.messages.empty();
    if (call.empty && call.keep_alive && call.keep_alive->count() == 0) {
      co_await unload(app, exchange, call, add_delta);
      co_return;
    }
    refusal = build_request(read, shared, call);
  }
  wipe(*parsed);
  if (refusal) {
    co_await exchange.send(std::move(*refusal));
    co_return;
  }
  co_await run(app, exchange, std::move(call), add_delta);
}

}  // namespace

void add_ollama_chat_route(App& app, Router& router) {
  router.add({.method = "POST", .path = "/api/chat", .handler = bind_handler(app, handle_chat)});
}

}  // namespace da::server
