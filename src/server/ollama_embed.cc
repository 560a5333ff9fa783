// POST /api/embed and /api/embeddings
#include "server/embed_call.h"

namespace da::server {
namespace {

using namespace ollama;  // NOLINT(google-build-using-namespace): this file is its dialect

Response as_it_is(Response refusal) { return refusal; }

std::optional<Response> read_embed(Fields& fields, EmbedFields& read) {
  read.truncate = fields.boolean("truncate", false);
  read.dimensions = fields.integer("dimensions", 0);
  return read_inputs(fields.find("input"), read.inputs);
}

void write_embed(const Call& call, const EmbedFields& read, Embedded& embedded, std::string& text) {
  text += R"({"model":)" + to_text(Json(call.name)) + R"(,"embeddings":[)";
  for (size_t i = 0; i < embedded.vectors.size(); ++i) {
    if (i > 0) text += ',';
    shorten(embedded.vectors[i], read.dimensions);
    append_vector(embedded.vectors[i], text);
  }
  text += ']';
  if (!call.empty) {
    const auto total = std::chrono::nanoseconds(std::chrono::steady_clock::now() - call.start);
    text += R"(,"total_duration":)" + std::to_string(total.count());
    text += R"(,"load_duration":)" + std::to_string(embedded.load_ns);
    text += R"(,"prompt_eval_count":)" + std::to_string(embedded.prompt_tokens);
    if (!embedded.dropped.is_null()) text += R"(,"truncated":)" + to_text(embedded.dropped);
  }
  text += '}';
}

// The older endpoint: one text, no cutting.
std::optional<Response> read_embeddings(Fields& fields, EmbedFields& read) {
  if (std::string prompt = fields.text("prompt"); !prompt.empty()) read.inputs.push_back(std::move(prompt));
  if (fields.status().is_ok() && fields.text("model").empty()) return error_response(400, "model is required");
  return std::nullopt;
}

void write_embeddings(const Call& /*call*/, const EmbedFields& /*read*/, Embedded& embedded, std::string& text) {
  text += R"({"embedding":)";
  append_vector(embedded.vectors.empty() ? std::vector<float>() : embedded.vectors[0], text);
  text += '}';
}

constexpr EmbedDialect kEmbed{"EmbedRequest", read_embed, write_embed, as_it_is};
constexpr EmbedDialect kEmbeddings{"EmbeddingRequest", read_embeddings, write_embeddings, as_it_is, 500};

Awaitable<void> handle_embed(App& app, Exchange& exchange) { return answer_embed(app, exchange, kEmbed); }
Awaitable<void> handle_embeddings(App& app, Exchange& exchange) { return answer_embed(app, exchange, kEmbeddings); }

}  // namespace

void add_ollama_embed_routes(App& app, Router& router) {
  router.add({.method = "POST", .path = "/api/embed", .handler = bind_handler(app, handle_embed)});
  router.add({.method = "POST", .path = "/api/embeddings", .handler = bind_handler(app, handle_embeddings)});
}

}  // namespace da::server
