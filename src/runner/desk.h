#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

namespace da::runner {

// Requests in order of arrival, prepared (template, tokens, grammar) one after another on a thread of its own: so a
// cancel is heard while a long text is being read.
class Desk {
 public:
  using Prepare = std::function<void(uint64_t id, const nlohmann::ordered_json& request)>;
  using Cancel = std::function<void(uint64_t id)>;
  // `cancel` is called for one that was cancelled while it was prepared, when that is over. `prepare` must not throw.
  Desk(Prepare prepare, Cancel cancel);
  ~Desk();   // drops what was not begun

  void put(uint64_t id, nlohmann::ordered_json request);
  // True: it had not begun and never will.
  bool remove(uint64_t id);

 private:
  void work();

  const Prepare prepare_;
  const Cancel cancel_;
  std::mutex mutex_;   // guards the rest
  std::condition_variable changed_;
  std::deque<std::pair<uint64_t, nlohmann::ordered_json>> waiting_;
  uint64_t current_ = 0;
  bool preparing_ = false, cancelled_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace da::runner
