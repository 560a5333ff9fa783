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
  std::string encoding;  // of vectors, where an endpoint knows several
};

// A text or a list of them; "" is none. The refusal, or nullopt.
std::optional<Response> read_inputs(const Json* input, std::vector<std::string>& inputs);

struct Embedded {
  std::vector<std::vector<float>> vectors;
  int64_t load_ns = 0, prompt_tokens = 0;
  nlohmann::json dropped;  // of texts that were cut, as was asked for; null: none
};

// What an endpoint does its own way.
struct EmbedDialect {
  const char* request_name;                                            // in errors of its fields
  std::optional<Response> (*read)(Fields& fields, EmbedFields& read);  // the refusal, or nullopt
  // Appends the body of the answer.
  void (*write)(const Call& call, const EmbedFields& read, Embedded& embedded, std::string& text);
  Response (*refuse)(Response refusal);  // its form of an error
  int refused_by_runner = 400;           // the status of what the runner finds wrong with a request
};
// Reads the request, looks the model up, loads it, runs the request if it has texts, and answers. `dialect` outlives
// it.
Awaitable<void> answer_embed(App& app, Exchange& exchange, const EmbedDialect& dialect);

// Cut to `dimensions` and brought back to length 1.
void shorten(std::vector<float>& vector, int64_t dimensions);
// As JSON, each number in its shortest form.
void append_vector(const std::vector<float>& vector, std::string& text);

}  // namespace da::server::ollama
