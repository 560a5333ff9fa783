#include "server/ollama_run.h"

#include <random>
#include <utility>

#include "server/job.h"

namespace da::server::ollama {
namespace {

using Clock = std::chrono::steady_clock;

int64_t ns_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count();
}

Json chunk_head(const Call& call) { return {{"model", call.name}, {"created_at", created_at()}}; }

void add_nonzero(Json& chunk, const char* key, int64_t value) {
  if (value > 0) chunk[key] = value;
}

// Ids and indices where the runner gave none; arguments are an object and keep their order.
void complete_tool_calls(Json& calls, size_t first_index) {
  static constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  for (size_t i = 0; i < calls.size(); ++i) {
    Json& call = calls[i];
    if (!call.is_object() || !call.contains("function")) continue;
    Json completed = Json::object();
    std::string id = call.value("id", "");
    if (id.empty()) {
      id = "call_";
      for (int k = 0; k < 8; ++k) id += kAlphabet[random() % kAlphabet.size()];
    }
    completed["id"] = id;
    Json function = Json::object();
    function["index"] = call["function"].value("index", static_cast<int64_t>(first_index + i));
    function["name"] = call["function"].value("name", "");
    Json arguments = call["function"].value("arguments", Json());
    if (arguments.is_string()) arguments = Json::parse(arguments.get_ref<const std::string&>(), nullptr, false);
    function["arguments"] = arguments.is_object() ? std::move(arguments) : Json::object();
    completed["function"] = std::move(function);
    call = std::move(completed);
  }
}

Delta read_delta(const nlohmann::json& message, size_t n_calls_before) {
  Delta delta;
  delta.text = message.value("text", "");
  delta.thinking = message.value("thinking", "");
  if (const auto calls = message.find("tool_calls"); calls != message.end() && calls->is_array()) {
    delta.tool_calls = Json(*calls);
    complete_tool_calls(delta.tool_calls, n_calls_before);
  }
  return delta;
}

Json final_chunk(const Call& call, const nlohmann::json& done, int64_t load_ns, Delta& delta, AddDelta add_delta) {
  Json chunk = chunk_head(call);
  add_delta(chunk, delta);
  chunk["done"] = true;
  chunk["done_reason"] = done.value("reason", "stop");
  if (call.wants_context) {
    if (const auto context = done.find("context"); context != done.end() && context->is_array())
      chunk["context"] = Json(*context);
  }
  // What the model did not see, as the client asked.
  if (const auto dropped = done.find("dropped"); dropped != done.end() && dropped->is_object()) chunk["truncated"] = Json(*dropped);
  add_nonzero(chunk, "shifted_tokens", done.value("shifted_tokens", int64_t{0}));
  add_nonzero(chunk, "total_duration", ns_between(call.start, Clock::now()));
  add_nonzero(chunk, "load_duration", load_ns);
  add_nonzero(chunk, "prompt_eval_count", done.value("prompt_tokens", int64_t{0}));
  add_nonzero(chunk, "prompt_eval_duration", done.value("prefill_ns", int64_t{0}));
  add_nonzero(chunk, "eval_count", done.value("generated_tokens", int64_t{0}));
  add_nonzero(chunk, "eval_duration", done.value("decode_ns", int64_t{0}));
  return chunk;
}

Json short_reply(const Call& call, const char* reason, AddDelta add_delta) {
  Json chunk = chunk_head(call);
  Delta nothing;
  add_delta(chunk, nothing);
  chunk["done"] = true;
  chunk["done_reason"] = reason;
  return chunk;
}

// The answer on its way to the client, streamed or collected.
class Answer {
 public:
  Answer(Exchange& exchange, const Call& call, AddDelta add_delta)
      : exchange_(exchange), call_(call), add_delta_(add_delta) {}

  // False: the client is gone.
  Awaitable<bool> add(Delta delta) {
    if (!call_.wants_tools) delta.tool_calls = Json::array();
    n_calls_ += delta.tool_calls.size();
    if (delta.empty()) co_return true;
    if (!call_.stream) {
      whole_.text += delta.text;
      whole_.thinking += delta.thinking;
      for (Json& tool_call : delta.tool_calls) whole_.tool_calls.push_back(std::move(tool_call));
      co_return true;
    }
    Json chunk = chunk_head(call_);
    add_delta_(chunk, delta);
    chunk["done"] = false;
    co_return co_await write_line(chunk);
  }
  Awaitable<void> finish(const nlohmann::json& done, int64_t load_ns) {
    const Json chunk = final_chunk(call_, done, load_ns, whole_, add_delta_);
    if (!call_.stream) {
      co_await exchange_.send(json_response(chunk));
      co_return;
    }
    const bool written = co_await write_line(chunk);
    if (written) co_await exchange_.finish();
  }
  // Before the first byte with its own status, later as the stream's last line.
  Awaitable<void> fail(Response response) {
    if (!exchange_.started()) {
      co_await exchange_.send(std::move(response));
      co_return;
    }
    response.body += '\n';
    const bool written = co_await exchange_.write(std::move(response.body));
    if (written) co_await exchange_.finish();
  }
  size_t n_calls() const { return n_calls_; }

 private:
  Awaitable<bool> write_line(const Json& chunk) {
    if (!exchange_.started()) {
      const std::string type = kNdjsonType;
      const bool started = co_await exchange_.start_stream(type);
      if (!started) co_return false;
    }
    std::string line = to_text(chunk);
    line += '\n';
    co_return co_await exchange_.write(std::move(line));
  }

  Exchange& exchange_;
  const Call& call_;
  AddDelta add_delta_;
  Delta whole_;
  size_t n_calls_ = 0;
};

}  // namespace

Response abort_response(Abort reason) {
  return reason == Abort::kShutdown ? error_response(503, "the server is shutting down")
                                    : error_response(499, "request canceled");
}

namespace {

// A full queue says how long it is, and when to come back.
Response queue_refusal(const Status& status, scheduler::Scheduler& scheduler) {
  Response response = load_error(status);
  if (response.status != 503) return response;
  const scheduler::Stats stats = scheduler.stats();
  response.headers.push_back({"Retry-After", std::to_string(stats.retry_after_s)});
  response.headers.push_back({"X-Queue-Length", std::to_string(stats.n_waiting)});
  return response;
}

}  // namespace

Awaitable<std::optional<Response>> wait_for_model(Job& job, scheduler::Scheduler& scheduler) {
  for (;;) {
    const std::optional<Event> event = co_await job.next();
    if (!event) continue;
    switch (event->kind) {
      case Event::Kind::kLease:
        co_return std::nullopt;
      case Event::Kind::kFailed:
        co_return queue_refusal(event->status, scheduler);
      case Event::Kind::kAborted:
        co_return abort_response(event->abort);
      case Event::Kind::kExpired:
        co_return error_response(504, event->status.message());
      case Event::Kind::kLoading:
      case Event::Kind::kMessage:
      case Event::Kind::kProgress:
      case Event::Kind::kWake:
        break;
    }
  }
}

std::optional<Response> read_shared_fields(const App& app, const Request& http, Fields& fields, Call& call,
                                           SharedFields& shared) {
  call.name = fields.text("model");
  call.stream = fields.boolean("stream", true);
  shared.options = fields.object("options");
  const bool logprobs = fields.boolean("logprobs", false);
  const int64_t top_logprobs = fields.integer("top_logprobs", 0);
  const bool render_only = fields.boolean("_debug_render_only", false);
  auto keep_alive = parse_keep_alive(fields.find("keep_alive"));
  auto urgency = read_urgency(app, fields, http);
  for (const char* key : {"truncate", "shift"}) {
    if (fields.find(key) != nullptr) shared.cuts[key] = fields.boolean(key, false);
  }
  auto think = parse_think(fields.find("think"));
  auto format = parse_format(fields.find("format"));
  if (!fields.status().is_ok()) return error_response(400, fields.status().message());
  if (!keep_alive.is_ok()) return error_response(400, keep_alive.status().message());
  if (!urgency.is_ok()) return error_response(400, urgency.status().message());
  if (!think.is_ok()) return error_response(400, think.status().message());
  if (top_logprobs < 0 || top_logprobs > 20) return error_response(400, "top_logprobs must be between 0 and 20");
  // Not done yet: an answer without what was asked for would be taken for one with it.
  if (logprobs) return error_response(501, "logprobs are not supported yet");
  if (render_only) return error_response(501, "_debug_render_only is not supported");
  if (!format.is_ok()) return error_response(500, format.status().message());
  call.keep_alive = *keep_alive;
  call.urgency = *urgency;
  shared.think = std::move(*think);
  shared.format = std::move(*format);

  auto reference = parse_model_reference(call.name);
  if (reference.code() == ErrorCode::kUnsupported) return error_response(403, reference.status().message());
  if (!reference.is_ok()) return error_response(400, reference.status().message());
  call.reference = std::move(*reference);
  return std::nullopt;
}

Awaitable<std::optional<Response>> resolve_model(App& app, Call& call) {
  if (call.reference.empty()) co_return error_response(404, "model '' not found");
  Result<store::ModelInfo> model = co_await app.resolve(call.reference);
  if (!model.is_ok()) co_return resolve_error(model.status(), call.name);
  call.model = std::move(*model);
  co_return std::nullopt;
}

std::optional<Response> apply_think(const Call& call, const nlohmann::json& think, nlohmann::json& request) {
  const bool capable = has_capability(call.model, "thinking");
  const bool wanted = think.is_string() || (think.is_boolean() && think.get<bool>());
  if (wanted && !capable) return error_response(400, "\"" + call.name + "\" does not support thinking");
  if (capable) request["think"] = think.is_null() ? nlohmann::json(true) : think;
  return std::nullopt;
}

std::string full_name(const Call& call) {
  const auto name = store::ModelName::parse(call.reference);
  if (!name.is_ok()) return call.name;
  return name->host + "/" + name->name_space + "/" + name->model + ":" + name->tag;
}

Awaitable<void> unload(App& app, Exchange& exchange, const Call& call, AddDelta add_delta) {
  app.scheduler.unload(call.model.gguf_path);   // whatever name it was loaded under
  const Json reply = short_reply(call, "unload", add_delta);
  co_await exchange.send(json_response(reply));
}

Awaitable<void> run(App& app, Exchange& exchange, Call call, AddDelta add_delta) {
  Job job(exchange.executor(), app.scheduler, app.metrics, call.kind);
  const AbortHook hook(exchange, job);
  Answer answer(exchange, call, add_delta);
  job.acquire(call.model, exchange.caller(), call.keep_alive, call.urgency);
  std::optional<Response> refusal = co_await wait_for_model(job, app.scheduler);
  if (refusal) {
    co_await answer.fail(std::move(*refusal));
    co_return;
  }
  app.note_use(call.model);
  const int64_t load_ns = ns_between(call.start, Clock::now());
  if (call.empty) {
    const Json reply = short_reply(call, "load", add_delta);
    job.loaded_only();
    co_await exchange.send(json_response(reply));
    co_return;
  }
  job.send(std::exchange(call.runner_request, {}));
  for (;;) {
    std::optional<Event> event = co_await job.next();
    if (!event) continue;
    if (event->kind == Event::Kind::kAborted) {
      co_await answer.fail(abort_response(event->abort));
      co_return;
    }
    if (event->kind == Event::Kind::kFailed || event->kind == Event::Kind::kExpired) {
      // Not within the co_await: GCC 12 would destroy the result of ?: twice.
      Response response = event->kind == Event::Kind::kExpired ? error_response(504, event->status.message()) : load_error(event->status);
      co_await answer.fail(std::move(response));
      co_return;
    }
    if (event->kind != Event::Kind::kMessage) continue;
    const nlohmann::json& message = event->message;
    const std::string type = message.value("type", "");
    if (type == "text") {
      Delta delta = read_delta(message, answer.n_calls());
      const bool written = co_await answer.add(std::move(delta));
      if (!written) co_return;
    } else if (type == "done") {
      co_await answer.finish(message, load_ns);
      co_return;
    } else if (type == "error") {
      const std::string code = message.value("code", "internal"), text = message.value("message", "");
      Response response = exchange.started() && code == "unavailable"
                              ? error_response(500, "an error was encountered while running the model: " +
                                                        runner_error_text(code, text), true)
                              : runner_error(code, text);
      co_await answer.fail(std::move(response));
      co_return;
    }
  }
}

}  // namespace da::server::ollama
