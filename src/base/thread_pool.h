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
  // `cpus` not empty: worker i stays on processor cpus[i], if the system lets it; the caller goes where it likes.
  explicit ThreadPool(int n_threads, const std::vector<int>& cpus = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls job(thread_idx) once on every thread; returns when all are done. `job` must not throw or call run().
  void run(const std::function<void(int thread_idx)>& job);
  // Calls job(thread_idx) here and on those workers that come before the call here returns; waits for none that is late.
  // For jobs that take their work from a shared counter: on a busy machine a worker may not get a processor in time.
  void run_available(const std::function<void(int thread_idx)>& job);
  // Splits [0, n_items) into chunks of `chunk` items that the available threads take in turn.
  void parallel_for(int64_t n_items, int64_t chunk, const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  void work(int thread_idx);
  void open(const std::function<void(int)>& job);
  void wait_for(int n_left) const;
  bool enter(uint64_t generation);

  std::vector<std::thread> workers_;
  const std::function<void(int)>* job_ = nullptr;  // of the open generation
  std::atomic<uint64_t> generation_{0};            // wakes the workers
  // Generation (48 bits), closed (1 bit), workers that entered (15 bits): a worker enters the job it was woken for while
  // that is open, or not at all.
  std::atomic<uint64_t> gate_{0};
  std::atomic<int> left_{0};  // workers that entered this generation and are done
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace da
