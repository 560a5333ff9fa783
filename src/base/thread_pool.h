#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace da {

// A fixed team of threads that runs one parallel job at a time; the caller is thread 0. Between jobs the workers spin
// for a few microseconds (the next operation of a layer comes at once), then sleep.
class ThreadPool {
 public:
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls job(thread_idx) once on every thread; returns when all are done. `job` must not throw or call run().
  void run(const std::function<void(int thread_idx)>& job);
  // Splits [0, n_items) into chunks of `chunk` items that threads take in turn.
  void parallel_for(int64_t n_items, int64_t chunk, const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  void work(int thread_idx);

  std::vector<std::thread> workers_;
  const std::function<void(int)>* job_ = nullptr;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> running_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace da
