#include "backend/cpu/peaks.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <vector>

#include "base/cpu_limits.h"
#include "base/memory_limits.h"
#include "base/thread_pool.h"

namespace da::backend {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// The largest rate of some tries: whatever else runs on the machine only takes away.
double measure_loop(ThreadPool& threads, cpu::PeakLoop loop) {
  if (loop == nullptr) return 0;
  constexpr int kTries = 5;
  constexpr double kTrySeconds = 0.03;
  uint64_t rounds = 1000;
  double best = 0;
  for (int done = 0; done < kTries;) {
    std::atomic<uint64_t> operations{0};
    const auto begin = Clock::now();
    threads.run([&](int) { operations += loop(rounds); });
    const double seconds = seconds_since(begin);
    if (seconds < kTrySeconds / 2) {
      rounds *= 2;  // until a try is long enough to be timed
      continue;
    }
    best = std::max(best, static_cast<double>(operations) / seconds);
    ++done;
  }
  return best;
}

// Several streams at once, as the rows of a matrix are read.
uint64_t read_all(std::span<const uint64_t> words) {
  constexpr size_t kStreams = 8, kStep = 8;
  const size_t stride = words.size() / kStreams;
  uint64_t sums[kStep] = {};
  for (size_t i = 0; i + kStep <= stride; i += kStep) {
    for (size_t s = 0; s < kStreams; ++s) {
      for (size_t j = 0; j < kStep; ++j) sums[j] += words[s * stride + i + j];
    }
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  return sum;
}

double measure_read(ThreadPool& threads) {
  constexpr int kTries = 5;
  uint64_t bytes = uint64_t{1} << 30;
  if (const uint64_t free_bytes = available_memory_bytes(); free_bytes > 0) bytes = std::min(bytes, free_bytes / 4);
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return 0;
  madvise(address, bytes, MADV_HUGEPAGE);
  const std::span words(static_cast<uint64_t*>(address), bytes / sizeof(uint64_t));
  const size_t part = words.size() / static_cast<size_t>(threads.n_threads());
  const auto part_of = [&](int thread_idx) { return words.subspan(static_cast<size_t>(thread_idx) * part, part); };
  threads.run([&](int thread_idx) { std::fill_n(part_of(thread_idx).begin(), part, uint64_t(thread_idx) + 1); });
  double best = 0;
  std::atomic<uint64_t> sum{0};
  for (int i = 0; i < kTries; ++i) {
    const auto begin = Clock::now();
    threads.run([&](int thread_idx) { sum += read_all(part_of(thread_idx)); });
    best = std::max(best, static_cast<double>(part * sizeof(uint64_t)) * threads.n_threads() / seconds_since(begin));
  }
  munmap(address, bytes);
  return sum == 0 ? 0 : best;  // the sum must be needed, or nothing is read
}

int count_threads(int n_threads) { return n_threads > 0 ? n_threads : available_cpus(); }

}  // namespace

double measure_read_peak(int n_threads) {
  ThreadPool threads(count_threads(n_threads));
  return measure_read(threads);
}

CpuPeaks measure_cpu_peaks(int n_threads) {
  ThreadPool threads(count_threads(n_threads));
  return {.read_bytes_per_s = measure_read(threads),
          .int8_ops_per_s = measure_loop(threads, cpu::int8_peak_loop()),
          .bf16_ops_per_s = measure_loop(threads, cpu::bf16_peak_loop()),
          .f32_ops_per_s = measure_loop(threads, cpu::f32_peak_loop())};
}

}  // namespace da::backend
