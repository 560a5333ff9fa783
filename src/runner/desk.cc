#include "runner/desk.h"

#include <algorithm>
#include <utility>

namespace da::runner {

Desk::Desk(Prepare prepare, Cancel cancel) : prepare_(std::move(prepare)), cancel_(std::move(cancel)), thread_([this] { work(); }) {}

Desk::~Desk() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Desk::put(uint64_t id, nlohmann::ordered_json request) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back(id, std::move(request));
  }
  changed_.notify_all();
}

bool Desk::remove(uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& entry) { return entry.first == id; });
  if (found != waiting_.end()) {
    waiting_.erase(found);
    return true;
  }
  if (preparing_ && current_ == id) cancelled_ = true;
  return false;
}

void Desk::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    {
      const auto [id, request] = std::move(waiting_.front());
      waiting_.pop_front();
      current_ = id;
      preparing_ = true;
      cancelled_ = false;
      lock.unlock();
      prepare_(id, request);
    }
    lock.lock();
    preparing_ = false;
    if (!cancelled_) continue;
    const uint64_t id = current_;
    lock.unlock();
    cancel_(id);
    lock.lock();
  }
}

}  // namespace da::runner
