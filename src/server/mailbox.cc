#include "server/mailbox.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace da::server {

namespace asio = boost::asio;

namespace {
// About a whole context of tokens; a reader that lags further behind is not going to catch up.
constexpr size_t kMaxEvents = 65536;
}  // namespace

// The timer is a condition variable for coroutines: cancelling it wakes the waiter.
struct Mailbox::Waiter {
  explicit Waiter(asio::any_io_executor on) : executor(std::move(on)), timer(executor) {}
  asio::any_io_executor executor;
  asio::steady_timer timer;
};

Mailbox::Mailbox() = default;
Mailbox::~Mailbox() = default;

std::shared_ptr<Mailbox> Mailbox::create(asio::any_io_executor executor) {
  std::shared_ptr<Mailbox> mailbox(new Mailbox);
  mailbox->waiter_ = std::make_unique<Waiter>(std::move(executor));
  return mailbox;
}

void Mailbox::push(Event event) { add(std::move(event), false); }
void Mailbox::push_front(Event event) { add(std::move(event), true); }

void Mailbox::add(Event event, bool front) {
  const std::lock_guard lock(mutex_);
  // A late event goes with its lease at the end of this call, outside the lock: `event` is the caller's to destroy.
  if (!waiter_) return;
  if (events_.size() >= kMaxEvents && event.kind == Event::Kind::kMessage) {
    if (overflowed_) return;
    overflowed_ = true;
    event = Event{};
    event.kind = Event::Kind::kFailed;
    event.status = Status(ErrorCode::kResourceExhausted, "the client reads the answer too slowly");
    front = true;
  }
  if (front) {
    events_.push_front(std::move(event));
  } else {
    events_.push_back(std::move(event));
  }
  asio::post(waiter_->executor, [self = shared_from_this()] {
    if (self->waiter_) self->waiter_->timer.cancel();
  });
}

size_t Mailbox::size() {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

void Mailbox::close() {
  std::deque<Event> rest;
  std::unique_ptr<Waiter> waiter;
  const std::lock_guard lock(mutex_);
  rest.swap(events_);
  waiter.swap(waiter_);
}

Awaitable<std::optional<Event>> Mailbox::next(std::optional<std::chrono::milliseconds> timeout) {
  using Clock = std::chrono::steady_clock;
  const std::shared_ptr<Mailbox> self = shared_from_this();
  const Clock::time_point deadline = timeout ? Clock::now() + *timeout : Clock::time_point::max();
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (!events_.empty()) {
        std::optional<Event> event(std::move(events_.front()));
        events_.pop_front();
        co_return event;
      }
    }
    if (Clock::now() >= deadline) co_return std::nullopt;
    waiter_->timer.expires_at(deadline);
    co_await waiter_->timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

}  // namespace da::server
