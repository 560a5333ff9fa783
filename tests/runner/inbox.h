#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runner/client.h"

namespace da::runner {

// Messages of one request as they come.
class Inbox {
 public:
  Client::Handler handler() {
    return [this](const nlohmann::json& message) {
      const std::lock_guard lock(mutex_);
      messages_.push_back(message);
      changed_.notify_all();
    };
  }
  // The first message of one of the types; a null if none comes in time.
  nlohmann::json wait_for(const std::vector<std::string>& types, std::chrono::milliseconds timeout = std::chrono::seconds(60)) {
    std::unique_lock lock(mutex_);
    nlohmann::json found;
    changed_.wait_for(lock, timeout, [&] {
      for (const nlohmann::json& message : messages_) {
        for (const std::string& type : types) {
          if (message["type"] == type) {
            found = message;
            return true;
          }
        }
      }
      return false;
    });
    return found;
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const nlohmann::json& message : messages_) {
      if (message["type"] == "text") text += message["text"].get<std::string>();
    }
    return text;
  }
  size_t size() {
    const std::lock_guard lock(mutex_);
    return messages_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<nlohmann::json> messages_;
};

}  // namespace da::runner
