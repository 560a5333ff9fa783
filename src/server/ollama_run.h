#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "server/app.h"
#include "server/job.h"
#include "server/ollama_common.h"

// What generate and chat have in common: the order of checks, the way from the queue to the last chunk.
namespace da::server::ollama {

// One request of either endpoint, read and checked.
struct Call {
  const char* kind = "";  // for the metrics
  std::string name;       // the model as the client wrote it; echoed
  std::string reference;
  store::ModelInfo model;
  bool stream = true;
  std::optional<std::chrono::milliseconds> keep_alive;
  Urgency urgency;
  bool empty = false;          // nothing to answer: the request loads the model, or unloads it
  bool wants_tools = false;    // without tools a reply's calls are dropped
  bool wants_context = false;  // the final chunk carries `context`
  nlohmann::json runner_request;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

// The text of one chunk, or of the whole answer.
struct Delta {
  std::string text, thinking;
  Json tool_calls = Json::array();
  bool empty() const { return text.empty() && thinking.empty() && tool_calls.empty(); }
};

// How an endpoint shows a delta: adds its keys between "created_at" and "done".
using AddDelta = void (*)(Json& chunk, Delta& delta);

// Reads what both requests share: model, stream, keep_alive, priority and deadline, think, format, options, logprobs,
// truncate and shift (as far as they are given). The refusal, or nullopt.
struct SharedFields {
  Json format_value, think_value;
  const Json* options = nullptr;
  nlohmann::json format, think;
  nlohmann::json cuts = nlohmann::json::object();  // truncate and shift, for the runner
};
std::optional<Response> read_shared_fields(const App& app, const Request& http, Fields& fields, Call& call, SharedFields& shared);

// Looks the model up; the refusal, or nullopt with call.model set.
Awaitable<std::optional<Response>> resolve_model(App& app, Call& call);

// `think` as the runner gets it: what was asked for, or the default of a thinking model. The refusal, or nullopt.
std::optional<Response> apply_think(const Call& call, const nlohmann::json& think, nlohmann::json& request);

// host/namespace/model:tag, as messages about missing abilities name a model.
std::string full_name(const Call& call);

// Takes the hook away before the job it speaks of.
class AbortHook {
 public:
  AbortHook(Exchange& exchange, Job& job) : exchange_(exchange) {
    exchange_.on_abort([&job](Abort reason) { job.abort(reason); });
  }
  ~AbortHook() { exchange_.on_abort(nullptr); }
  AbortHook(const AbortHook&) = delete;
  AbortHook& operator=(const AbortHook&) = delete;

 private:
  Exchange& exchange_;
};

Response abort_response(Abort reason);
// Until the job has its lease: the refusal, or nullopt.
Awaitable<std::optional<Response>> wait_for_model(Job& job, scheduler::Scheduler& scheduler);

// Loads, runs, streams or collects; gives the whole answer.
Awaitable<void> run(App& app, Exchange& exchange, Call call, AddDelta add_delta);
// The reply to an empty request with keep_alive 0.
Awaitable<void> unload(App& app, Exchange& exchange, const Call& call, AddDelta add_delta);

}  // namespace da::server::ollama

namespace da::server {
void add_ollama_chat_route(App& app, Router& router);
void add_ollama_embed_routes(App& app, Router& router);
void add_openai_embeddings_route(App& app, Router& router);
}  // namespace da::server
