#include "runner/outbox.h"

#include <sys/socket.h>

#include <csignal>

#include "runner/frame.h"

namespace da::runner {

Outbox::Outbox(int fd) : fd_(fd), thread_([this] { work(); }) {}

Outbox::~Outbox() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  // A write that waits for a peer that does not read must end too.
  shutdown(fd_, SHUT_WR);
  thread_.join();
}

bool Outbox::push(std::string payload) {
  {
    const std::lock_guard lock(mutex_);
    if (broken_ || stopping_ || payload.size() > kMaxFrameBytes || waiting_bytes_ + payload.size() > kMaxWaitingBytes) return false;
    waiting_bytes_ += payload.size();
    waiting_.push_back(std::move(payload));
  }
  changed_.notify_all();
  return true;
}

void Outbox::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return broken_ || stopping_ || (waiting_.empty() && !writing_); });
}

void Outbox::work() {
  // A peer that is gone is an error of the write here, not a signal that ends the host.
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const std::string payload = std::move(waiting_.front());
    waiting_.pop_front();
    writing_ = true;
    lock.unlock();
    const bool written = write_frame(fd_, payload).is_ok();
    lock.lock();
    writing_ = false;
    waiting_bytes_ -= payload.size();
    if (!written) {
      broken_ = true;
      waiting_.clear();
    }
    changed_.notify_all();
    if (broken_) return;
  }
}

}  // namespace da::runner
