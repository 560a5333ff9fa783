// POST /api/generate
#include <array>

#include "server/ollama_run.h"

namespace da::server {
namespace {

using namespace ollama;  // NOLINT(google-build-using-namespace): this file is its dialect

void add_delta(Json& chunk, Delta& delta) {
  chunk["response"] = std::move(delta.text);
  if (!delta.thinking.empty()) chunk["thinking"] = std::move(delta.thinking);
}

struct GenerateFields {
  std::string prompt, suffix, system, go_template;
  const Json* system_given = nullptr;
  const Json* context = nullptr;
  const Json* images = nullptr;
  bool raw = false;
};

GenerateFields read_fields(Fields& fields) {
  GenerateFields read;
  read.prompt = fields.text("prompt");
  read.suffix = fields.text("suffix");
  read.system = fields.text("system");
  read.go_template = fields.text("template");
  read.context = fields.array("context");
  read.images = fields.array("images");
  read.raw = fields.boolean("raw", false);
  if (read.context != nullptr) {
    for (const Json& id : *read.context) {
      if (!id.is_number_integer()) fields.wrong_type("context", id, "int");
    }
    if (read.context->empty()) read.context = nullptr;
  }
  if (read.images != nullptr && read.images->empty()) read.images = nullptr;
  return read;
}

// The conversation, or the bare prompt where the template is not to be used on one.
void add_prompt(const GenerateFields& read, const store::ModelInfo& model, nlohmann::json& request) {
  if (read.raw) {
    request["raw"] = true;
    request["prompt"] = read.prompt;
    return;
  }
  const std::string& go_template = read.go_template.empty() ? model.go_template : read.go_template;
  if (!go_template.empty()) request["template"] = go_template;
  if (!read.suffix.empty()) {
    request["prompt"] = read.prompt;
    request["suffix"] = read.suffix;
    return;
  }
  nlohmann::json messages = nlohmann::json::array();
  const std::string& system = read.system.empty() ? model.system : read.system;
  if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  if (read.context == nullptr) {
    for (const Json& message : model.messages) messages.push_back(nlohmann::json(message));
  } else {
    request["context"] = nlohmann::json(*read.context);
  }
  messages.push_back({{"role", "user"}, {"content", read.prompt}});
  request["messages"] = std::move(messages);
}

// The refusal, or nullopt with call.runner_request ready.
std::optional<Response> build_request(const GenerateFields& read, const SharedFields& shared, Call& call) {
  if (read.raw && (!read.go_template.empty() || !read.system.empty() || read.context != nullptr)) {
    return error_response(400, "raw mode does not support template, system, or context");
  }
  if (!call.model.capabilities.empty() && !has_capability(call.model, "completion")) {
    return error_response(400, "\"" + call.name + "\" does not support generate");
  }
  if (!read.suffix.empty() && !has_capability(call.model, "insert")) {
    return error_response(400, full_name(call) + " does not support insert");
  }
  if (read.images != nullptr) return error_response(400, "\"" + call.name + "\" does not support images");
  nlohmann::json& request = call.runner_request;
  request = {{"op", "generate"}};
  if (auto refusal = apply_think(call, shared.think, request)) return refusal;
  auto options = merge_options(call.model.parameters, shared.options);
  if (!options.is_ok()) return error_response(500, options.status().message());
  take_load_options(*options, call.model);
  request["options"] = std::move(*options);
  if (!shared.format.is_null()) request["format"] = shared.format;
  add_prompt(read, call.model, request);
  request.update(shared.cuts);
  return std::nullopt;
}

Awaitable<void> handle_generate(App& app, Exchange& exchange) {
  Result<Json> parsed = parse_object(exchange.request().body, "GenerateRequest");
  if (!parsed.is_ok()) {
    co_await exchange.send(error_response(400, parsed.status().message()));
    co_return;
  }
  wipe(exchange.request().body);
  Call call{.kind = "generate"};
  SharedFields shared;
  Fields fields(*parsed, "GenerateRequest");
  const GenerateFields read = read_fields(fields);
  std::optional<Response> refusal = read_shared_fields(app, exchange.request(), fields, call, shared);
  if (!refusal) refusal = co_await resolve_model(app, call);
  if (!refusal) {
    call.empty = read.prompt.empty();
    call.wants_context = !read.raw;
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

Awaitable<void> handle_registry(App&, Exchange& exchange) {
  co_await exchange.send(
      error_response(501, "this server does not contact a registry: import a GGUF file with create"));
}

}  // namespace

void add_ollama_inference_routes(App& app, Router& router) {
  router.add({.method = "POST", .path = "/api/generate", .handler = bind_handler(app, handle_generate)});
  add_ollama_chat_route(app, router);
  add_ollama_embed_routes(app, router);
  add_openai_embeddings_route(app, router);
  router.add({.method = "POST", .path = "/api/pull", .handler = bind_handler(app, handle_registry)});
  router.add({.method = "POST", .path = "/api/push", .handler = bind_handler(app, handle_registry)});
}

}  // namespace da::server
