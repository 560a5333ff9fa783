#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace da::runner {

// Frames on their way out: pushing never waits for the peer, a thread of its own writes. Thread-safe.
class Outbox {
 public:
  // `fd` stays the caller's and must live as long.
  explicit Outbox(int fd);
  ~Outbox();   // drops what was not written yet
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // False if the frame was dropped: it is too long, the peer is gone, or more than kMaxWaitingBytes wait.
  bool push(std::string payload);
  // Waits until all is written or the peer is gone.
  void flush();

 private:
  static constexpr size_t kMaxWaitingBytes = size_t{256} << 20;
  void work();

  const int fd_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> waiting_;
  size_t waiting_bytes_ = 0;
  bool writing_ = false, stopping_ = false, broken_ = false;
  std::thread thread_;
};

}  // namespace da::runner
