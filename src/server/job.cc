#include "server/job.h"

#include <utility>

namespace da::server {

Job::Job(boost::asio::any_io_executor executor, scheduler::Scheduler& scheduler)
    : scheduler_(scheduler), mailbox_(Mailbox::create(std::move(executor))) {}

Job::~Job() {
  cancel();
  mailbox_->close();
}

void Job::acquire(const store::ModelInfo& model, std::optional<std::chrono::milliseconds> keep_alive) {
  // The callbacks hold the mailbox, not the job: they may come after the job's end.
  ticket_ = scheduler_.acquire(
      model, keep_alive,
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
  running_ = lease_->client().send(std::move(request), [mailbox = mailbox_](const nlohmann::json& message) {
    Event event;
    event.kind = Event::Kind::kMessage;
    event.message = message;
    mailbox->push(std::move(event));
  });
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
  } else if (event->kind == Event::Kind::kFailed) {
    ticket_.reset();
  } else if (event->kind == Event::Kind::kMessage) {
    const std::string type = event->message.value("type", "");
    if (type == "done" || type == "error" || type == "tokens") running_.reset();
  }
  co_return event;
}

}  // namespace da::server
