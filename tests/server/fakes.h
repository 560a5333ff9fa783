#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "scheduler/scheduler.h"

// A scheduler whose models answer from a script, so that streams are the same every time.
namespace da::test {

// What the fake does with the next requests.
struct Script {
  std::vector<std::pair<uint64_t, uint64_t>> loading;  // progress before the lease
  Status load_failure;                                 // instead of the lease
  bool hold_load = false;                              // the lease never comes; only cancel ends it
  nlohmann::json ready = {{"type", "ready"}, {"context_tokens", 4096}, {"memory_bytes", 1000}, {"protocol", ""}};
  // Runner messages in order. {"type":"hold"} waits for cancel, {"type":"pause","ms":n} waits.
  std::vector<nlohmann::json> messages;

  Script& text(std::string_view text, int generated);
  Script& done(std::string_view reason, int prompt_tokens, int generated_tokens);
};

class FakeClient;

class FakeScheduler final : public scheduler::Scheduler {
 public:
  FakeScheduler();
  ~FakeScheduler() override;

  void set(Script script);
  Script script() const;
  nlohmann::json last_request() const;  // of the runner; null: none yet
  std::optional<std::optional<std::chrono::milliseconds>> last_keep_alive() const;
  scheduler::Use last_use() const;
  std::vector<std::string> unloaded() const;
  std::vector<nlohmann::json> told() const;  // messages without an answer
  int cancelled_runs() const;  // runner requests ended by cancel
  int cancelled_loads() const;
  int open_leases() const;
  int running() const;  // runner requests begun and not ended
  // True once `condition` holds; gives up after five seconds.
  template <class Condition>
  bool wait_until(Condition condition) const {
    for (int i = 0; i < 500; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition();
  }

  Ticket acquire(const store::ModelInfo& model, const scheduler::Use& use, LoadProgress progress, Ready ready) override;
  void cancel(Ticket ticket) override;
  bool unload(const std::string& model_name) override;
  std::vector<scheduler::LoadedModel> loaded() const override;
  scheduler::Stats stats() const override { return {.n_waiting = 3, .loads = 2, .gpu_health = gpu_health}; }
  void set_options(scheduler::Options /*options*/) override {}
  std::vector<scheduler::LoadedModel> loaded_models;  // set before use
  scheduler::GpuHealth gpu_health;                    // likewise

 private:
  friend class FakeLease;
  friend class FakeClient;
  void record_request(nlohmann::json request);

  mutable std::mutex mutex_;
  Script script_;
  nlohmann::json last_request_;
  std::optional<std::optional<std::chrono::milliseconds>> last_keep_alive_;
  scheduler::Use last_use_;
  std::vector<nlohmann::json> told_;
  std::vector<std::string> unloaded_;
  std::map<Ticket, Ready> held_;
  Ticket next_ticket_ = 1;
  std::atomic<int> cancelled_runs_ = 0, cancelled_loads_ = 0, open_leases_ = 0, running_ = 0;
  std::vector<std::thread> threads_;
  std::unique_ptr<FakeClient> client_;
};

}  // namespace da::test
