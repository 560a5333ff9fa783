#include "server/embed_call.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "server/job.h"

namespace da::server::ollama {
namespace {

// Texts in one request; more would not fit one answer of a large model anyway.
constexpr size_t kMaxInputs = 8192;

// These two: the refusal, or nullopt.

// Reads model, keep_alive, priority, deadline and options, looks the model up and makes the runner's request.
Awaitable<std::optional<Response>> prepare_embed(App& app, const Request& http, Fields& fields, Call& call,
                                                 EmbedFields& read) {
  call.name = fields.text("model");
  const Json* options = fields.object("options");
  const auto keep_alive = parse_keep_alive(fields.find("keep_alive"));
  if (!fields.status().is_ok()) co_return error_response(400, fields.status().message());
  if (!keep_alive.is_ok()) co_return error_response(400, keep_alive.status().message());
  call.keep_alive = *keep_alive;
  const auto urgency = read_urgency(app, fields, http);
  if (!urgency.is_ok()) co_return error_response(400, urgency.status().message());
  call.urgency = *urgency;
  auto reference = parse_model_reference(call.name);
  if (reference.code() == ErrorCode::kUnsupported) co_return error_response(403, reference.status().message());
  if (!reference.is_ok()) co_return error_response(400, reference.status().message());
  call.reference = std::move(*reference);
  std::optional<Response> refusal = co_await resolve_model(app, call);
  if (refusal && refusal->status == 404 && !call.reference.empty())
    co_return error_response(404, "model \"" + call.name + "\" not found, try pulling it first");
  if (refusal) co_return refusal;
  auto merged = merge_options(call.model.parameters, options);
  if (!merged.is_ok()) co_return error_response(500, merged.status().message());
  take_load_options(*merged, call.model);
  call.empty = read.inputs.empty();
  call.runner_request = {
      {"op", "embed"}, {"input", std::move(read.inputs)}, {"truncate", read.truncate}, {"options", std::move(*merged)}};
  co_return std::nullopt;
}

// Loads the model and runs the request, if it has texts.
Awaitable<std::optional<Response>> embed(App& app, Exchange& exchange, Call& call, Embedded& out) {
  Job job(exchange.executor(), app.scheduler, app.metrics, "embed");
  const AbortHook hook(exchange, job);
  job.acquire(call.model, exchange.caller(), call.keep_alive, call.urgency);
  std::optional<Response> refusal = co_await wait_for_model(job, app.scheduler);
  if (refusal) co_return refusal;
  app.note_use(call.model);
  out.load_ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - call.start).count();
  if (call.empty) {
    job.loaded_only();
    co_return std::nullopt;
  }
  job.send(std::exchange(call.runner_request, {}));
  for (;;) {
    std::optional<Event> event = co_await job.next();
    if (!event) continue;
    if (event->kind == Event::Kind::kAborted) co_return abort_response(event->abort);
    if (event->kind == Event::Kind::kExpired) co_return error_response(504, event->status.message());
    if (event->kind == Event::Kind::kFailed) co_return error_response(500, event->status.message());
    if (event->kind != Event::Kind::kMessage) continue;
    const nlohmann::json& message = event->message;
    const std::string type = message.value("type", "");
    if (type == "error") co_return runner_error(message.value("code", "internal"), message.value("message", ""));
    if (type != "done") continue;
    out.prompt_tokens = message.value("prompt_tokens", int64_t{0});
    if (const auto found = message.find("dropped"); found != message.end()) out.dropped = *found;
    if (const auto found = message.find("embeddings"); found != message.end())
      out.vectors = found->get<std::vector<std::vector<float>>>();
    co_return std::nullopt;
  }
}

}  // namespace

std::optional<Response> read_inputs(const Json* input, std::vector<std::string>& inputs) {
  if (input == nullptr) return std::nullopt;
  if (input->is_string()) {
    if (!input->get_ref<const std::string&>().empty()) inputs.push_back(input->get<std::string>());
    return std::nullopt;
  }
  if (!input->is_array()) return error_response(400, "invalid input type");
  if (input->size() > kMaxInputs) {
    return error_response(400, "input has " + std::to_string(input->size()) + " texts, at most " +
                                   std::to_string(kMaxInputs) + " fit a request");
  }
  for (const Json& text : *input) {
    if (!text.is_string()) return error_response(400, "invalid input type");
    inputs.push_back(text.get<std::string>());
  }
  return std::nullopt;
}

void shorten(std::vector<float>& vector, int64_t dimensions) {
  if (dimensions <= 0 || static_cast<size_t>(dimensions) >= vector.size()) return;
  vector.resize(static_cast<size_t>(dimensions));
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
  const double length = std::max(std::sqrt(squares), 1e-12);
  for (float& value : vector) value = static_cast<float>(static_cast<double>(value) / length);
}

void append_vector(const std::vector<float>& vector, std::string& text) {
  std::array<char, 32> digits;
  text += '[';
  for (size_t i = 0; i < vector.size(); ++i) {
    if (i > 0) text += ',';
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), vector[i]).ptr;
    text.append(digits.data(), end);
  }
  text += ']';
}

Awaitable<void> answer_embed(App& app, Exchange& exchange, const EmbedDialect& dialect) {
  Result<Json> parsed = parse_object(exchange.request().body, dialect.request_name);
  if (!parsed.is_ok()) {
    co_await exchange.send(dialect.refuse(error_response(400, parsed.status().message())));
    co_return;
  }
  wipe(exchange.request().body);
  Call call;
  EmbedFields read;
  Embedded embedded;
  Fields fields(*parsed, dialect.request_name);
  std::optional<Response> refusal = dialect.read(fields, read);
  if (!refusal) refusal = co_await prepare_embed(app, exchange.request(), fields, call, read);
  wipe(*parsed);
  if (!refusal) {
    refusal = co_await embed(app, exchange, call, embedded);
    if (refusal && refusal->status == 400) refusal->status = dialect.refused_by_runner;
  }
  if (refusal) {
    co_await exchange.send(dialect.refuse(std::move(*refusal)));
    co_return;
  }
  Response response = json_response(Json());
  response.body.clear();
  dialect.write(call, read, embedded, response.body);
  co_await exchange.send(std::move(response));
}

}  // namespace da::server::ollama
