#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <thread>

namespace da {
namespace {

TEST(ThreadPool, EveryThreadRunsTheJobOnce) {
  for (const int n : {1, 2, 5}) {
    ThreadPool pool(n);
    for (int round = 0; round < 500; ++round) {
      std::vector<int> counts(static_cast<size_t>(n));
      pool.run([&](int i) { ++counts[static_cast<size_t>(i)]; });
      EXPECT_EQ(counts, std::vector<int>(static_cast<size_t>(n), 1));
    }
  }
}

TEST(ThreadPool, ParallelForCoversTheRangeOnce) {
  ThreadPool pool(3);
  for (const int64_t items : {0, 1, 7, 64, 1000}) {
    for (const int64_t chunk : {1, 3, 64, 5000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(items));
      pool.parallel_for(items, chunk, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
      });
      for (const auto& count : seen) EXPECT_EQ(count.load(), 1);
    }
  }
}

TEST(ThreadPool, DoesNotWaitForThoseWhoComeLate) {
  ThreadPool pool(4);
  for (int round = 0; round < 20000; ++round) {
    std::atomic<int> inside{0}, calls{0};
    pool.run_available([&](int) {
      ++inside;
      ++calls;
      --inside;
    });
    // Whoever entered has left, and nobody enters any more: `inside` goes out of scope here.
    ASSERT_EQ(inside.load(), 0);
    ASSERT_GE(calls.load(), 1);
    ASSERT_LE(calls.load(), 4);
    if (round % 100 == 0) pool.run([](int) {});
  }
}

TEST(ThreadPool, SleepsWhenIdle) {
  ThreadPool pool(2);
  pool.run([](int) {});
  const auto cpu_us = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto before = cpu_us();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(cpu_us() - before, 30000);  // a spinning worker would burn 300,000
}

}  // namespace
}  // namespace da
