#include "server/job.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "server/edge.h"
#include "server/json_body.h"

namespace da::server {

Job::Job(boost::asio::any_io_executor executor, scheduler::Scheduler& scheduler, Metrics& metrics, const char* kind)
    : scheduler_(scheduler), metrics_(metrics), kind_(kind), mailbox_(Mailbox::create(std::move(executor))) {}

Job::~Job() {
  metrics_.request_ended(kind_, outcome_);
  wipe(request_);
  cancel();
  mailbox_->close();
}

// Back-pressure: a request whose messages pile up, because its client reads too slowly, is held by its engine until
// most are read. Told from the runner's reader thread and the job's executor.
class Job::Flow {
 public:
  static constexpr size_t kHoldAt = 256, kLetGoAt = 32;  // messages that wait

  void begin(runner::Client& client, runner::Client::RequestId id) {
    const std::lock_guard lock(mutex_);
    client_ = &client;
    id_ = id;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    client_ = nullptr;
  }
  void pushed(size_t n_waiting) {
    if (n_waiting >= kHoldAt) hold(true);
  }
  void popped(size_t n_waiting) {
    if (n_waiting <= kLetGoAt) hold(false);
  }

 private:
  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    if (client_ == nullptr || held_ == held) return;
    held_ = held;
    client_->tell({{"op", "hold"}, {"id", id_}, {"held", held}});
  }

  std::mutex mutex_;
  runner::Client* client_ = nullptr;
  runner::Client::RequestId id_ = 0;
  bool held_ = false;
};

void Job::acquire(const store::ModelInfo& model, const std::string& caller,
                  std::optional<std::chrono::milliseconds> keep_alive, const Urgency& urgency) {
  asked_ = Clock::now();
  caller_ = caller;
  urgency_ = urgency;
  if (urgency.deadline) deadline_ = asked_ + *urgency.deadline;
  model_ = model;
  keep_alive_ = keep_alive;
  ask_for_model();
}

void Job::ask_for_model() {
  // The callbacks hold the mailbox, not the job: they may come after the job's end.
  ticket_ = scheduler_.acquire(
      model_, {.client = caller_, .keep_alive = keep_alive_, .priority = urgency_.priority, .again = tried_again_},
      [mailbox = mailbox_](uint64_t done, uint64_t total) {
        Event event;
        event.kind = Event::Kind::kLoading;
        event.done = done;
        event.total = total;
        mailbox->push(std::move(event));
      },
      [mailbox = mailbox_](Result<std::unique_ptr<scheduler::Lease>> result) {
        Event event;
        if (result.is_ok()) {
          event.kind = Event::Kind::kLease;
          event.lease = std::move(result).value();
        } else {
          event.kind = Event::Kind::kFailed;
          event.status = result.status();
        }
        mailbox->push(std::move(event));
      });
}

void Job::send(nlohmann::json request) {
  // Keys are kept apart, and machines; programs of this machine without a key are one user.
  if (!is_loopback_address(caller_)) request["namespace"] = caller_;
  if (urgency_.priority != 0) request["priority"] = urgency_.priority;
  request_ = std::move(request);
  run_request();
}

void Job::run_request() {
  flow_ = std::make_shared<Flow>();
  running_ = lease_->client().send(request_, [mailbox = mailbox_, flow = flow_](const nlohmann::json& message) {
    Event event;
    event.kind = Event::Kind::kMessage;
    event.message = message;
    mailbox->push(std::move(event));
    flow->pushed(mailbox->size());
  });
  flow_->begin(lease_->client(), *running_);
}

// U03: its runner is gone, and nobody has seen anything of the answer.
bool Job::may_try_again(const nlohmann::json& message) const {
  return !tried_again_ && !request_.is_null() && last_text_ == Clock::time_point() && message.value("type", "") == "error" &&
         message.value("code", "") == "unavailable";
}

Event Job::expire() {
  std::string stage = "waited for the model";
  if (lease_) stage = n_generated_ > 0 ? "wrote, after " + std::to_string(n_generated_) + " tokens" : "read the prompt";
  cancel();
  deadline_.reset();
  outcome_ = Metrics::Outcome::kExpired;
  const auto ms = urgency_.deadline->count();
  Event event;
  event.kind = Event::Kind::kExpired;
  event.status = Status(ErrorCode::kCancelled, "the request's deadline of " + std::to_string(ms) + " ms passed while it " + stage);
  return event;
}

void Job::measure(const nlohmann::json& message) {
  const std::string type = message.value("type", "");
  const auto now = Clock::now();
  if (type == "text") {
    const int64_t n_generated = message.value("generated", n_generated_ + 1);
    if (last_text_ == Clock::time_point()) {
      metrics_.first_token_after(now - asked_);
    } else if (n_generated > n_generated_) {
      metrics_.token_after((now - last_text_) / (n_generated - n_generated_));
    }
    last_text_ = now;
    wipe(request_);
    request_ = nullptr;
    n_generated_ = n_generated;
  } else if (type == "done") {
    const auto prompt = message.value("prompt_tokens", int64_t{0}), generated = message.value("generated_tokens", int64_t{0});
    metrics_.tokens_done(prompt, message.value("cached_tokens", int64_t{0}), generated);
    lease_->charge(prompt + generated);
    if (message.value("reason", "") != "cancelled") outcome_ = Metrics::Outcome::kOk;
  } else if (type == "error") {
    outcome_ = Metrics::Outcome::kFailed;
  }
}

void Job::abort(Abort reason) {
  cancel();
  Event event;
  event.kind = Event::Kind::kAborted;
  event.abort = reason;
  mailbox_->push_front(std::move(event));
}

void Job::cancel() {
  if (flow_) flow_->end();
  if (ticket_) scheduler_.cancel(*std::exchange(ticket_, std::nullopt));
  if (running_) lease_->client().cancel(*std::exchange(running_, std::nullopt));
}

Awaitable<std::optional<Event>> Job::next(std::optional<std::chrono::milliseconds> timeout) {
  for (;;) {
    std::optional<std::chrono::milliseconds> wait = timeout;
    if (deadline_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now());
      if (left.count() <= 0) co_return expire();
      wait = wait ? std::min(*wait, left) : left;
    }
    std::optional<Event> event = co_await mailbox_->next(wait);
    if (!event && deadline_ && Clock::now() >= *deadline_) co_return expire();
    if (!event) co_return std::nullopt;
    if (flow_) flow_->popped(mailbox_->size());
    if (event->kind == Event::Kind::kLease) {
      ticket_.reset();
      lease_ = std::move(event->lease);
      if (tried_again_) {
        run_request();
        continue;
      }
      metrics_.waited_for_model(Clock::now() - asked_);
    } else if (event->kind == Event::Kind::kFailed) {
      ticket_.reset();
      if (event->status.code() != ErrorCode::kCancelled) outcome_ = Metrics::Outcome::kRefused;
    } else if (event->kind == Event::Kind::kMessage) {
      if (may_try_again(event->message)) {
        tried_again_ = true;
        running_.reset();
        flow_->end();
        lease_.reset();
        ask_for_model();
        continue;
      }
      measure(event->message);
      const std::string type = event->message.value("type", "");
      if (type == "done" || type == "error" || type == "tokens") running_.reset();
    }
    co_return event;
  }
}

}  // namespace da::server
