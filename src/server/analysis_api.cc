#include "server/analysis_api.h"

#include <sys/random.h>

#include <array>

#include "server/ollama_common.h"

namespace da::server {
namespace {

// 128 bits from the kernel: who does not know a task's id cannot read or cancel it.
std::string random_id() {
  std::array<unsigned char, 16> bytes{};
  DA_CHECK(getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  std::string id;
  for (const unsigned char byte : bytes) {
    id += "0123456789abcdef"[byte >> 4];
    id += "0123456789abcdef"[byte & 15];
  }
  return id;
}

Response busy(std::string_view message) {
  Response response = error_response(503, message);
  response.headers.push_back({"Retry-After", "5"});
  return response;
}

std::string farewell_event() {
  const Json event = {{"status", "error"}, {"error", "the server is shutting down"}};
  return "data: " + to_text(event) + "\n\n";
}

struct AnalyzeRequest {
  analysis::Request request;
  std::string model;
  nlohmann::json options;
  Urgency urgency;
};

// GCC 12 destroys temporaries of braced lists and conditions inside coroutines twice, so answers are made outside.
Response accepted(const AnalysisTask& task) {
  return ollama::json_response({{"task_id", task.id()}, {"model", task.model_name()}});
}
Response cancelled() { return ollama::json_response({{"status", "cancelled"}}); }

// The refusal, or nullopt with the request read and its text checked.
std::optional<Response> read_request(const App& app, const Request& http, const Json& body, AnalyzeRequest& read) {
  Fields fields(body, "AnalyzeRequest");
  if (fields.find("text") == nullptr) fields.fail("text is required");
  read.request.text = fields.text("text");
  read.request.language = fields.text("language", "auto");
  read.model = fields.text("model");
  const auto urgency = read_urgency(app, fields, http);
  auto options = ollama::merge_options(Json::object(), fields.object("options"));
  if (!fields.status().is_ok()) return error_response(400, fields.status().message());
  if (!options.is_ok()) return error_response(400, options.status().message());
  if (!urgency.is_ok()) return error_response(400, urgency.status().message());
  read.urgency = *urgency;
  read.options = std::move(*options);
  // Everything about the text shows before a model is loaded; the true preparation follows when its protocol is known.
  auto checked = analysis::prepare(read.request, "", read.options);
  if (!checked.is_ok())
    return error_response(checked.code() == ErrorCode::kInvalidArgument ? 400 : 500, checked.status().message());
  wipe(checked->runner_request);
  return std::nullopt;
}

}  // namespace

AnalysisApi::AnalysisApi(App& app) : app_(app) {}
AnalysisApi::~AnalysisApi() = default;

void AnalysisApi::add_routes(Router& router) {
  router.add({.method = "POST", .path = "/api/analyze", .handler = [this](Exchange& exchange) {
                return handle_analyze(exchange);
              }});
  // No HEAD: whoever leaves the stream cancels the task.
  router.add({.method = "GET",
              .path = "/api/stream",
              .handler = [this](Exchange& exchange) { return handle_stream(exchange); },
              .answers_head = false});
  router.add({.method = "DELETE", .path = "/api/analyze/*", .handler = [this](Exchange& exchange) {
                return handle_cancel(exchange);
              }});
}

void AnalysisApi::start() {
  const auto strand = app_.pool.new_strand();
  sweeper_ = Mailbox::create(strand);
  app_.pool.spawn(strand, forget_unwatched(sweeper_));
}

void AnalysisApi::stop() {
  std::map<uint64_t, TaskPointer> tasks;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    tasks.swap(tasks_);
    text_bytes_ = 0;
  }
  for (const auto& [number, task] : tasks) task->cancel();
  if (sweeper_) {
    Event event;
    event.kind = Event::Kind::kAborted;
    sweeper_->push(std::move(event));
    sweeper_.reset();
  }
}

Awaitable<void> AnalysisApi::forget_unwatched(std::shared_ptr<Mailbox> mailbox) {
  const auto period =
      std::min(app_.config.analysis.unwatched_time / 4 + std::chrono::milliseconds(1), std::chrono::milliseconds(1000));
  for (;;) {
    const std::optional<Event> stopped = co_await mailbox->next(period);
    if (stopped) co_return;  // stop() is all that is ever sent
    std::vector<TaskPointer> abandoned;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [number, task] : tasks_) {
        if (task->unwatched_for() >= app_.config.analysis.unwatched_time) abandoned.push_back(task);
      }
    }
    for (const TaskPointer& task : abandoned) {
      task->cancel();
      forget(task->id());
    }
  }
}

Result<AnalysisApi::TaskPointer> AnalysisApi::add_task(AnalysisTask::Start start) {
  const AnalysisLimits& limits = app_.config.analysis;
  const std::lock_guard lock(mutex_);
  if (stopped_) return {ErrorCode::kUnavailable, "the server is shutting down"};
  if (tasks_.size() >= limits.max_tasks) {
    return {ErrorCode::kResourceExhausted,
            "too many analyses at once: " + std::to_string(limits.max_tasks) + " are the most"};
  }
  if (text_bytes_ + start.request.text.size() > limits.text_bytes) {
    return {ErrorCode::kResourceExhausted, "the analyses under way hold too much text, try again later"};
  }
  const uint64_t number = next_number_++;
  start.position = [this, number] { return queued_before(number); };
  start.left_queue = [this] { refresh_positions(); };
  auto task = std::make_shared<AnalysisTask>(app_, std::move(start));
  text_bytes_ += task->text_bytes();
  tasks_.emplace(number, task);
  return task;
}

AnalysisApi::TaskPointer AnalysisApi::find(const std::string& id) {
  const std::lock_guard lock(mutex_);
  for (const auto& [number, task] : tasks_) {
    if (task->id() == id) return task;
  }
  return nullptr;
}

void AnalysisApi::forget(const std::string& id) {
  const std::lock_guard lock(mutex_);
  for (auto it = tasks_.begin(); it != tasks_.end(); ++it) {
    if (it->second->id() != id) continue;
    text_bytes_ -= it->second->text_bytes();
    tasks_.erase(it);
    return;
  }
}

size_t AnalysisApi::queued_before(uint64_t number) {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  for (auto it = tasks_.begin(); it != tasks_.end() && it->first < number; ++it) count += it->second->queued() ? 1 : 0;
  return count;
}

void AnalysisApi::refresh_positions() {
  std::vector<TaskPointer> waiting;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [number, task] : tasks_) {
      if (task->queued()) waiting.push_back(task);
    }
  }
  for (const TaskPointer& task : waiting) task->refresh_position();
}

Awaitable<void> AnalysisApi::handle_analyze(Exchange& exchange) {
  Result<Json> parsed = parse_object(exchange.request().body, "AnalyzeRequest");
  wipe(exchange.request().body);
  if (!parsed.is_ok()) {
    co_await exchange.send(error_response(400, parsed.status().message()));
    co_return;
  }
  AnalyzeRequest read;
  std::optional<Response> refusal = read_request(app_, exchange.request(), *parsed, read);
  wipe(*parsed);
  std::optional<Result<store::ModelInfo>> model;
  if (!refusal && read.model.empty()) {
    model = co_await app_.default_model();
    if (!model->is_ok())
      refusal = error_response(model->code() == ErrorCode::kNotFound ? 404 : 500, model->status().message());
  } else if (!refusal) {
    const auto reference = ollama::parse_model_reference(read.model);
    if (!reference.is_ok()) {
      refusal = error_response(reference.code() == ErrorCode::kUnsupported ? 403 : 400, reference.status().message());
    } else {
      model = co_await app_.resolve(*reference);
      if (!model->is_ok()) refusal = ollama::resolve_error(model->status(), read.model);
    }
  }
  if (!refusal && !(*model)->capabilities.empty() && !ollama::has_capability(**model, "completion")) {
    refusal = error_response(400, "\"" + (*model)->name + "\" does not support analysis: it writes no text");
  }
  if (!refusal) {
    AnalysisTask::Start start;
    start.caller = exchange.caller();
    start.urgency = read.urgency;
    start.id = random_id();
    start.model = std::move(**model);
    start.request = std::move(read.request);
    start.options = std::move(read.options);
    wipe(read.request.text);  // a short text is copied, not moved
    Result<TaskPointer> task = add_task(std::move(start));
    if (task.is_ok()) {
      (*task)->start();
      co_await exchange.send(accepted(**task));
      co_return;
    }
    refusal = busy(task.status().message());
  }
  wipe(read.request.text);
  co_await exchange.send(std::move(*refusal));
}

Awaitable<void> AnalysisApi::handle_stream(Exchange& exchange) {
  const std::string* id = exchange.request().parameter("task_id");
  if (id == nullptr) {
    co_await exchange.send(error_response(400, "task_id is required"));
    co_return;
  }
  const TaskPointer task = find(*id);
  if (!task) {
    co_await exchange.send(error_response(404, "task not found"));
    co_return;
  }
  const auto mailbox = Mailbox::create(exchange.executor());
  if (!task->watch([mailbox] { mailbox->push(Event{}); })) {
    mailbox->close();
    co_await exchange.send(error_response(409, "this task is being streamed already"));
    co_return;
  }
  exchange.on_abort([mailbox](Abort reason) {
    Event event;
    event.kind = Event::Kind::kAborted;
    event.abort = reason;
    mailbox->push_front(std::move(event));
  });
  co_await follow(exchange, task, mailbox);
  exchange.on_abort(nullptr);
  task->unwatch();
  task->cancel();  // no effect on one that has ended
  forget(task->id());
  mailbox->close();
}

// Writes each state the task comes to until its last, or until the client has left.
Awaitable<void> AnalysisApi::follow(Exchange& exchange, TaskPointer task, std::shared_ptr<Mailbox> mailbox) {
  const std::string type = "text/event-stream";
  const bool started = co_await exchange.start_stream(type);
  if (!started) co_return;
  for (;;) {
    std::vector<AnalysisTask::Event> fresh = task->take_events();
    for (AnalysisTask::Event& next : fresh) {
      std::string text = "data: " + next.json + "\n\n";
      wipe(next.json);
      const bool written = co_await exchange.write(std::move(text));
      if (!written) co_return;
      if (next.last) {
        co_await exchange.finish();
        co_return;
      }
    }
    if (!fresh.empty()) continue;
    const std::optional<Event> event = co_await mailbox->next(app_.config.analysis.heartbeat);
    if (!event) {
      std::string comment = ": still here\n\n";
      const bool written = co_await exchange.write(std::move(comment));
      if (!written) co_return;
    } else if (event->kind == Event::Kind::kAborted) {
      if (event->abort == Abort::kDisconnected) co_return;
      std::string farewell = farewell_event();
      const bool written = co_await exchange.write(std::move(farewell));
      if (written) co_await exchange.finish();
      co_return;
    }
  }
}

Awaitable<void> AnalysisApi::handle_cancel(Exchange& exchange) {
  const TaskPointer task = find(exchange.request().path_tail);
  if (!task) {
    co_await exchange.send(error_response(404, "task not found"));
    co_return;
  }
  task->cancel();
  // A watched one stays until its stream has said so.
  if (task->unwatched_for() > AnalysisTask::Clock::duration::zero()) forget(task->id());
  co_await exchange.send(cancelled());
}

}  // namespace da::server
