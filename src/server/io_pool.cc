#include "server/io_pool.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>
#include <typeinfo>
#include <vector>

namespace da::server {

namespace asio = boost::asio;

struct IoPool::Impl {
  Impl(int n_blocking, Logger logger) : log(std::move(logger)), work(context.get_executor()), blocking(n_blocking) {}
  Logger log;
  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  asio::thread_pool blocking;
  std::vector<std::thread> threads;
};

IoPool::IoPool(int n_io_threads, int n_blocking_threads, Logger log)
    : impl_(std::make_unique<Impl>(n_blocking_threads, std::move(log))) {
  for (int i = 0; i < n_io_threads; ++i) {
    impl_->threads.emplace_back([impl = impl_.get()] {
      for (;;) {
        try {
          impl->context.run();
          return;
        } catch (const std::exception& error) {
          // Every coroutine and callback has its own net; what comes here must still not end the process.
          impl->log.error("exception in an io thread", {{"type", typeid(error).name()}});
        } catch (...) {
          impl->log.error("exception in an io thread");
        }
      }
    });
  }
}

IoPool::~IoPool() { stop(); }

asio::io_context& IoPool::context() { return impl_->context; }
asio::any_io_executor IoPool::new_strand() { return asio::make_strand(impl_->context); }

Awaitable<void> IoPool::run_blocking(std::function<void()> work) {
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::exception_ptr)>(
      [this, &work](auto handler) {
        asio::post(impl_->blocking, [task = std::move(work), done = std::move(handler)]() mutable {
          std::exception_ptr error;
          try {
            task();
          } catch (...) {
            error = std::current_exception();
          }
          auto executor = asio::get_associated_executor(done);
          asio::post(executor, [resume = std::move(done), error]() mutable { std::move(resume)(error); });
        });
      },
      asio::use_awaitable);
}

void IoPool::spawn(const asio::any_io_executor& executor, Awaitable<void> coroutine) {
  asio::co_spawn(executor, std::move(coroutine), [impl = impl_.get()](std::exception_ptr thrown) {
    if (!thrown) return;
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
      impl->log.error("exception in a coroutine", {{"type", typeid(error).name()}});
    } catch (...) {
      impl->log.error("exception in a coroutine");
    }
  });
}

void IoPool::stop() {
  if (impl_->threads.empty()) return;
  impl_->blocking.join();
  impl_->work.reset();
  impl_->context.stop();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
}

}  // namespace da::server
