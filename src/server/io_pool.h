#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>

#include "base/log.h"
#include "server/http.h"

namespace boost::asio {
class io_context;
}

namespace da::server {

// The threads of the server: a few that turn sockets and coroutines, never blocked, and a few for work that blocks
// (disk).
class IoPool {
 public:
  IoPool(int n_io_threads, int n_blocking_threads, Logger log);
  ~IoPool();  // stop()

  boost::asio::io_context& context();
  // An executor that runs one thing at a time: state touched only there needs no lock.
  boost::asio::any_io_executor new_strand();
  // Runs `work` on a blocking thread; resumes on the caller's executor. What `work` throws comes out here.
  Awaitable<void> run_blocking(std::function<void()> work);
  // Starts a coroutine of its own; what it throws is logged by its type (a message might quote a user's text).
  void spawn(const boost::asio::any_io_executor& executor, Awaitable<void> coroutine);
  // Waits for blocking work that has begun, ends all coroutines where they wait.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace da::server
