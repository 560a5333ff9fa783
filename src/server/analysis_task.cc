#include "server/analysis_task.h"

#include <boost/asio/post.hpp>
#include <cmath>
#include <typeinfo>
#include <utility>

#include "server/ollama_common.h"

namespace da::server {
namespace {

double rounded(double value) { return std::round(value * 10) / 10; }

}  // namespace

AnalysisTask::AnalysisTask(App& app, Start start)
    : app_(app), start_(std::move(start)), text_bytes_(start_.request.text.size()), strand_(app.pool.new_strand()) {}

AnalysisTask::~AnalysisTask() {
  wipe(start_.request.text);
  for (Event& event : events_) wipe(event.json);
  wipe(prepared_.runner_request);
}

void AnalysisTask::start() { app_.pool.spawn(strand_, run()); }

void AnalysisTask::cancel() {
  boost::asio::post(strand_, [self = shared_from_this()] {
    self->cancelled_ = true;
    if (self->job_ != nullptr) self->job_->abort(Abort::kDisconnected);
  });
}

bool AnalysisTask::queued() const {
  const std::lock_guard lock(mutex_);
  return queued_;
}

bool AnalysisTask::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

std::vector<AnalysisTask::Event> AnalysisTask::take_events() {
  const std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

bool AnalysisTask::watch(std::function<void()> on_change) {
  const std::lock_guard lock(mutex_);
  if (on_change_) return false;
  on_change_ = std::move(on_change);
  if (events_.size() > 1) events_.erase(events_.begin(), events_.end() - 1);
  return true;
}

void AnalysisTask::unwatch() {
  const std::lock_guard lock(mutex_);
  on_change_ = nullptr;
  unwatched_since_ = Clock::now();
}

AnalysisTask::Clock::duration AnalysisTask::unwatched_for() const {
  const std::lock_guard lock(mutex_);
  return on_change_ ? Clock::duration::zero() : Clock::now() - unwatched_since_;
}

void AnalysisTask::publish(Json event, bool last) {
  Event next{event.value("status", ""), to_text(event), last};
  wipe(event);
  std::function<void()> on_change;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;  // the end is said once
    ended_ = last;
    if (!events_.empty() && events_.back().status == next.status) {
      std::swap(events_.back(), next);
      wipe(next.json);
    } else {
      events_.push_back(std::move(next));
    }
    on_change = on_change_;
  }
  if (on_change) on_change();
}

void AnalysisTask::publish_queued() {
  const size_t position = start_.position ? start_.position() : 0;
  publish({{"status", "queued"}, {"position", position}}, false);
}

void AnalysisTask::publish_loading(uint64_t bytes_done, uint64_t bytes_total) {
  publish(
      {{"status", "loading"}, {"model", start_.model.name}, {"bytes_done", bytes_done}, {"bytes_total", bytes_total}},
      false);
}

void AnalysisTask::publish_reading(const nlohmann::json& message) {
  publish({{"status", "reading"},
           {"tokens_done", message.value("done", int64_t{0})},
           {"tokens_total", message.value("total", int64_t{0})}},
          false);
}

void AnalysisTask::refresh_position() {
  boost::asio::post(strand_, [self = shared_from_this()] {
    if (self->queued()) self->publish_queued();
  });
}

void AnalysisTask::leave_queue() {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(queued_, false)) return;
  }
  if (start_.left_queue) start_.left_queue();
}

void AnalysisTask::fail(std::string_view message, bool retryable) {
  Json event = {{"status", "error"}, {"error", message}};
  if (retryable) event["retryable"] = true;
  publish(std::move(event), true);
}

void AnalysisTask::end_by(const server::Event& event) {
  if (event.kind == server::Event::Kind::kExpired ||
      (event.kind == server::Event::Kind::kFailed && event.status.code() != ErrorCode::kCancelled)) {
    fail(event.status.message(), event.status.code() == ErrorCode::kUnavailable);
  } else {
    publish({{"status", "cancelled"}}, true);
  }
}

double AnalysisTask::seconds_since_start() const {
  return std::chrono::duration<double>(Clock::now() - created_).count();
}

Awaitable<void> AnalysisTask::run() {
  const std::shared_ptr<AnalysisTask> self = shared_from_this();
  try {
    Job job(strand_, app_.scheduler, app_.metrics, "analyze");
    job_ = &job;
    if (cancelled_) job.abort(Abort::kDisconnected);
    publish_queued();
    if (co_await load(job)) co_await generate(job);
  } catch (const std::exception& error) {
    app_.config.log.error("exception in an analysis", {{"type", typeid(error).name()}});
    fail("internal error");
  }
  job_ = nullptr;
  leave_queue();
  builder_.reset();
  wipe(start_.request.text);
  wipe(prepared_.runner_request);
}

Awaitable<bool> AnalysisTask::load(Job& job) {
  job.acquire(start_.model, start_.caller, std::nullopt, start_.urgency);
  for (;;) {
    const std::optional<server::Event> event = co_await job.next();
    if (!event) continue;
    switch (event->kind) {
      case server::Event::Kind::kLoading:
        leave_queue();
        publish_loading(event->done, event->total);
        break;
      case server::Event::Kind::kLease:
        co_return true;
      case server::Event::Kind::kFailed:
      case server::Event::Kind::kAborted:
      case server::Event::Kind::kExpired:
        end_by(*event);
        co_return false;
      case server::Event::Kind::kMessage:
      case server::Event::Kind::kProgress:
      case server::Event::Kind::kWake:
        break;
    }
  }
}

Awaitable<void> AnalysisTask::generate(Job& job) {
  app_.note_use(start_.model);
  const std::string protocol = job.lease().ready().value("protocol", "");
  auto prepared = analysis::prepare(start_.request, protocol, start_.options);
  if (!prepared.is_ok()) {
    fail(prepared.status().message());
    co_return;
  }
  prepared_ = std::move(*prepared);
  builder_ = std::make_unique<analysis::ReportBuilder>(start_.request.text, prepared_.language);
  wipe(start_.request.text);
  nlohmann::json request = std::exchange(prepared_.runner_request, {});
  if (!start_.model.go_template.empty()) request["template"] = start_.model.go_template;
  // The answer is JSON from the first character; a thinking model must not be asked to think before it.
  if (ollama::has_capability(start_.model, "thinking") && !request.contains("think")) request["think"] = false;
  job.send(std::move(request));

  bool dirty = false;  // text came that no snapshot shows yet
  for (;;) {
    std::optional<std::chrono::milliseconds> wait;
    if (dirty) {
      const auto due = last_snapshot_ + app_.config.analysis.snapshot_interval;
      wait = std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(due - Clock::now()));
      if (wait->count() == 0) {
        publish_writing();
        dirty = false;
        continue;
      }
    }
    const std::optional<server::Event> event = co_await job.next(wait);
    if (!event) continue;
    if (event->kind == server::Event::Kind::kAborted || event->kind == server::Event::Kind::kFailed ||
        event->kind == server::Event::Kind::kExpired) {
      end_by(*event);
      co_return;
    }
    if (event->kind != server::Event::Kind::kMessage) continue;
    const nlohmann::json& message = event->message;
    const std::string type = message.value("type", "");
    if (type == "prefill") {
      leave_queue();
      publish_reading(message);
    } else if (type == "text") {
      leave_queue();
      on_text(message);
      dirty = true;
    } else if (type == "done") {
      if (dirty) publish_writing();
      finish(message);
      co_return;
    } else if (type == "error") {
      const std::string code = message.value("code", "internal");
      fail(ollama::runner_error_text(code, message.value("message", "")), code == "unavailable");
      co_return;
    }
  }
}

void AnalysisTask::on_text(const nlohmann::json& message) {
  const auto now = Clock::now();
  generated_tokens_ = message.value("generated", generated_tokens_ + 1);
  if (first_token_ == Clock::time_point()) {
    first_token_ = now;
    first_count_ = generated_tokens_;
    time_to_first_token_ms_ = rounded(seconds_since_start() * 1000);
  }
  builder_->push(message.value("text", ""));
}

void AnalysisTask::publish_writing() {
  last_snapshot_ = Clock::now();
  Json result = builder_->partial_result();
  const double seconds = std::chrono::duration<double>(last_snapshot_ - first_token_).count();
  const double rate = seconds > 0 ? static_cast<double>(generated_tokens_ - first_count_) / seconds : 0;
  Json event = {{"status", "writing"}, {"report", analysis::to_markdown(result)}};
  event["result"] = std::move(result);
  event["generated_tokens"] = generated_tokens_;
  event["tokens_per_second"] = rounded(rate);
  event["time_to_first_token_ms"] = time_to_first_token_ms_;
  publish(std::move(event), false);
}

void AnalysisTask::finish(const nlohmann::json& done) {
  const std::string reason = done.value("reason", "stop");
  if (reason == "cancelled") {
    publish({{"status", "cancelled"}}, true);
    return;
  }
  const int64_t generated = done.value("generated_tokens", generated_tokens_);
  auto result = builder_->finish();
  if (!result.is_ok()) {
    const std::string cut =
        "the report was cut off after " + std::to_string(generated) + " tokens, the most allowed here";
    fail(reason == "length" ? cut : result.status().message());
    return;
  }
  std::vector<std::string> warnings = std::move(prepared_.warnings);
  if (const int n = builder_->rejected_quotes(); n > 0) {
    warnings.push_back(std::to_string(n) +
                       (n == 1 ? " item was left out: its quote is" : " items were left out: their quotes are") +
                       " not in the text");
  }
  const double decode_s = static_cast<double>(done.value("decode_ns", int64_t{0})) / 1e9;
  Json stats = {{"model", start_.model.name},
                {"prompt_tokens", done.value("prompt_tokens", int64_t{0})},
                {"generated_tokens", generated},
                {"time_to_first_token_ms", time_to_first_token_ms_},
                {"tokens_per_second", decode_s > 0 ? rounded(static_cast<double>(generated) / decode_s) : 0.0},
                {"total_ms", rounded(seconds_since_start() * 1000)}};
  Json event = {{"status", "complete"}, {"report", analysis::to_markdown(*result)}};
  event["result"] = std::move(*result);
  event["stats"] = std::move(stats);
  event["warnings"] = std::move(warnings);
  publish(std::move(event), true);
}

}  // namespace da::server
