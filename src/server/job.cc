#include "server/job.h"

#include <utility>

#include "server/edge.h"

namespace da::server {

Job::Job(boost::asio::any_io_executor executor, scheduler::Scheduler& scheduler, Metrics& metrics, const char* kind)
    : scheduler_(scheduler), metrics_(metrics), kind_(kind), mailbox_(Mailbox::create(std::move(executor))) {}

Job::~Job() {
  metrics_.request_ended(kind_, outcome_);
  cancel();
  mailbox_->close();
}

void Job::acquire(const store::ModelInfo& model, const std::string& client,
                  std::optional<std::chrono::milliseconds> keep_alive) {
  asked_ = Clock::now();
  client_ = client;
  // The callbacks hold the mailbox, not the job: they may come after the job's end.
  ticket_ = scheduler_.acquire(
      model, client, keep_alive,
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
  // Programs of this machine are one user; machines are kept apart.
  if (!is_loopback_address(client_)) request["namespace"] = client_;
  running_ = lease_->client().send(std::move(request), [mailbox = mailbox_](const nlohmann::json& message) {
    Event event;
    event.kind = Event::Kind::kMessage;
    event.message = message;
    mailbox->push(std::move(event));
  });
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
  if (ticket_) scheduler_.cancel(*std::exchange(ticket_, std::nullopt));
  if (running_) lease_->client().cancel(*std::exchange(running_, std::nullopt));
}

Awaitable<std::optional<Event>> Job::next(std::optional<std::chrono::milliseconds> timeout) {
  std::optional<Event> event = co_await mailbox_->next(timeout);
  if (!event) co_return std::nullopt;
  if (event->kind == Event::Kind::kLease) {
    ticket_.reset();
    lease_ = std::move(event->lease);
    metrics_.waited_for_model(Clock::now() - asked_);
  } else if (event->kind == Event::Kind::kFailed) {
    ticket_.reset();
    if (event->status.code() != ErrorCode::kCancelled) outcome_ = Metrics::Outcome::kRefused;
  } else if (event->kind == Event::Kind::kMessage) {
    measure(event->message);
    const std::string type = event->message.value("type", "");
    if (type == "done" || type == "error" || type == "tokens") running_.reset();
  }
  co_return event;
}

}  // namespace da::server
