#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>

namespace da {
namespace {

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// How long a waiting thread spins before it sleeps or yields. Longer than the serial gap between two operations of a
// step, short enough that an idle server uses no CPU.
constexpr auto kSpin = std::chrono::microseconds(50);

constexpr int kGenerationShift = 16;
constexpr uint64_t kClosed = uint64_t{1} << 15, kEntered = kClosed - 1;

template <class Condition>
bool spin_until(const Condition& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (condition()) return true;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return condition();
}

void stay_on(std::thread& thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(thread.native_handle(), sizeof set, &set);
}

}  // namespace

ThreadPool::ThreadPool(int n_threads, const std::vector<int>& cpus) {
  for (int i = 1; i < n_threads; ++i) {
    workers_.emplace_back([this, i] { work(i); });
    if (!cpus.empty()) stay_on(workers_.back(), cpus[static_cast<size_t>(i) % cpus.size()]);
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ++generation_;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::open(const std::function<void(int)>& job) {
  {
    const std::lock_guard lock(mutex_);
    job_ = &job;
    left_.store(0, std::memory_order_relaxed);
    const uint64_t generation = generation_.load(std::memory_order_relaxed) + 1;
    gate_.store(generation << kGenerationShift, std::memory_order_release);
    generation_.store(generation, std::memory_order_release);
  }
  wake_.notify_all();
}

void ThreadPool::wait_for(int n_left) const {
  while (!spin_until([&] { return left_.load(std::memory_order_acquire) == n_left; })) std::this_thread::yield();
}

void ThreadPool::run(const std::function<void(int)>& job) {
  if (workers_.empty()) {
    job(0);
    return;
  }
  open(job);
  job(0);
  wait_for(static_cast<int>(workers_.size()));
}

void ThreadPool::run_available(const std::function<void(int)>& job) {
  if (workers_.empty()) {
    job(0);
    return;
  }
  open(job);
  job(0);
  const uint64_t gate = gate_.fetch_or(kClosed, std::memory_order_acq_rel);
  wait_for(static_cast<int>(gate & kEntered));
}

bool ThreadPool::enter(uint64_t generation) {
  uint64_t gate = gate_.load(std::memory_order_acquire);
  do {
    if (gate >> kGenerationShift != generation || (gate & kClosed) != 0) return false;
  } while (!gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel));
  return true;
}

void ThreadPool::parallel_for(int64_t n_items, int64_t chunk, const std::function<void(int64_t, int64_t)>& body) {
  chunk = std::max<int64_t>(chunk, 1);
  if (n_items <= chunk || workers_.empty()) {
    if (n_items > 0) body(0, n_items);
    return;
  }
  std::atomic<int64_t> next{0};
  run_available([&](int) {
    for (int64_t begin; (begin = next.fetch_add(chunk, std::memory_order_relaxed)) < n_items;) {
      body(begin, std::min(begin + chunk, n_items));
    }
  });
}

void ThreadPool::work(int thread_idx) {
  uint64_t seen = 0;
  while (true) {
    if (!spin_until([&] { return generation_.load(std::memory_order_acquire) != seen; })) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_) return;
    if (!enter(seen)) continue;
    (*job_)(thread_idx);
    left_.fetch_add(1, std::memory_order_release);
  }
}

}  // namespace da
