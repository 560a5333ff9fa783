#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/ollama_run.h"

// What the endpoints that make vectors of texts have in common.
namespace da::server::ollama {

struct EmbedFields {
  std::vector<std::string> inputs;  // empty: load only
  bool truncate = false;
  int64_t dimensions = 0;
};

// A text or a list of them; "" is none. The refusal, or nullopt.
std::optional<Response> read_inputs(const Json* input, std::vector<std::string>& inputs);

// Reads model, keep_alive, priority, deadline and options, looks the model up and makes the runner's request. The refusal, or nullopt.
Awaitable<std::optional<Response>> prepare_embed(App& app, const Request& http, Fields& fields, Call& call, EmbedFields& read);

struct Embedded {
  std::vector<std::vector<float>> vectors;
  int64_t load_ns = 0, prompt_tokens = 0;
  nlohmann::json dropped;  // of texts that were cut, as was asked for; null: none
};
// Loads the model and runs the request, if it has texts. The refusal, or nullopt with `out` filled.
Awaitable<std::optional<Response>> embed(App& app, Exchange& exchange, Call& call, Embedded& out);

// Cut to `dimensions` and brought back to length 1.
void shorten(std::vector<float>& vector, int64_t dimensions);
// As JSON, each number in its shortest form.
void append_vector(const std::vector<float>& vector, std::string& text);

}  // namespace da::server::ollama
