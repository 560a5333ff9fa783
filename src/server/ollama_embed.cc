// POST /api/embed and /api/embeddings
#include "server/embed_call.h"

namespace da::server {
namespace {

using namespace ollama;  // NOLINT(google-build-using-namespace): this file is its dialect

Awaitable<void> handle_embed(App& app, Exchange& exchange) {
  Result<Json> parsed = parse_object(exchange.request().body, "EmbedRequest");
  if (!parsed.is_ok()) {
    co_await exchange.send(error_response(400, parsed.status().message()));
    co_return;
  }
  wipe(exchange.request().body);
  Call call;
  EmbedFields read;
  Embedded embedded;
  Fields fields(*parsed, "EmbedRequest");
  read.truncate = fields.boolean("truncate", false);
  read.dimensions = fields.integer("dimensions", 0);
  std::optional<Response> refusal = read_inputs(fields.find("input"), read.inputs);
  if (!refusal) refusal = co_await prepare_embed(app, exchange.request(), fields, call, read);
  wipe(*parsed);
  if (!refusal) refusal = co_await embed(app, exchange, call, embedded);
  if (refusal) {
    co_await exchange.send(std::move(*refusal));
    co_return;
  }
  std::string text = R"({"model":)" + to_text(Json(call.name)) + R"(,"embeddings":[)";
  for (size_t i = 0; i < embedded.vectors.size(); ++i) {
    if (i > 0) text += ',';
    shorten(embedded.vectors[i], read.dimensions);
    append_vector(embedded.vectors[i], text);
  }
  text += ']';
  const auto total = std::chrono::steady_clock::now() - call.start;
  if (!call.empty) {
    text +=
        R"(,"total_duration":)" + std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(total).count());
    text += R"(,"load_duration":)" + std::to_string(embedded.load_ns);
    text += R"(,"prompt_eval_count":)" + std::to_string(embedded.prompt_tokens);
    if (!embedded.dropped.is_null()) text += R"(,"truncated":)" + to_text(embedded.dropped);
  }
  text += '}';
  Response response = json_response(Json());
  response.body = std::move(text);
  co_await exchange.send(std::move(response));
}

// The older endpoint: one text, no cutting.
Awaitable<void> handle_embeddings(App& app, Exchange& exchange) {
  Result<Json> parsed = parse_object(exchange.request().body, "EmbeddingRequest");
  if (!parsed.is_ok()) {
    co_await exchange.send(error_response(400, parsed.status().message()));
    co_return;
  }
  wipe(exchange.request().body);
  Call call;
  EmbedFields read;
  Embedded embedded;
  Fields fields(*parsed, "EmbeddingRequest");
  read.truncate = false;
  if (std::string prompt = fields.text("prompt"); !prompt.empty()) read.inputs.push_back(std::move(prompt));
  std::optional<Response> refusal;
  if (fields.status().is_ok() && fields.text("model").empty()) refusal = error_response(400, "model is required");
  if (!refusal) refusal = co_await prepare_embed(app, exchange.request(), fields, call, read);
  wipe(*parsed);
  if (!refusal) {
    refusal = co_await embed(app, exchange, call, embedded);
    // What the runner refuses is an error of this endpoint's own.
    if (refusal && refusal->status == 400) refusal->status = 500;
  }
  if (refusal) {
    co_await exchange.send(std::move(*refusal));
    co_return;
  }
  std::string text = R"({"embedding":)";
  append_vector(embedded.vectors.empty() ? std::vector<float>() : embedded.vectors[0], text);
  text += '}';
  Response response = json_response(Json());
  response.body = std::move(text);
  co_await exchange.send(std::move(response));
}

}  // namespace

void add_ollama_embed_routes(App& app, Router& router) {
  router.add({.method = "POST", .path = "/api/embed", .handler = bind_handler(app, handle_embed)});
  router.add({.method = "POST", .path = "/api/embeddings", .handler = bind_handler(app, handle_embeddings)});
}

}  // namespace da::server
