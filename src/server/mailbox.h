#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "scheduler/scheduler.h"
#include "server/http.h"

namespace da::server {

// What can happen to a request while it waits: on the way from other threads to its coroutine.
struct Event {
  enum class Kind {
    kLoading,   // done, total: bytes of the model
    kLease,     // lease
    kFailed,    // status: no lease, or the mailbox overflowed
    kMessage,   // message: from the runner
    kProgress,  // status.message() is the text, done, total: of store work
    kAborted,   // abort
    kExpired,   // status: the request's deadline has passed
    kWake,      // something changed, look again
  };
  Kind kind = Kind::kWake;
  uint64_t done = 0, total = 0;
  std::unique_ptr<scheduler::Lease> lease;
  Status status;
  nlohmann::json message;
  Abort abort = Abort::kDisconnected;
};

// A bounded queue from any threads to one coroutine.
class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  static std::shared_ptr<Mailbox> create(boost::asio::any_io_executor executor);
  ~Mailbox();

  // Thread-safe, never blocks. When the queue is full the event is dropped and a kFailed (kResourceExhausted) takes its
  // place, once.
  void push(Event event);
  void push_front(Event event);
  size_t size();  // events that wait; thread-safe
  // On the executor, with nobody waiting. Later events are dropped where they are pushed, and nothing of the executor
  // is touched any more: the mailbox may outlive it.
  void close();

  // On the executor, one waiter. nullopt: nothing came for `timeout`.
  Awaitable<std::optional<Event>> next(std::optional<std::chrono::milliseconds> timeout);

 private:
  struct Waiter;
  Mailbox();
  void add(Event event, bool front);

  std::mutex mutex_;
  std::unique_ptr<Waiter> waiter_;  // gone after close()
  std::deque<Event> events_;
  bool overflowed_ = false;
};

}  // namespace da::server
