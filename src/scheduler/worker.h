#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace da::scheduler {

// Jobs done one after another on a thread of their own; the rest is done before the destructor returns.
class Worker {
 public:
  Worker() : thread_([this] { work(); }) {}
  ~Worker();
  void post(std::function<void()> job);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace da::scheduler
