#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "scheduler/core.h"
#include "scheduler/gpu_watch.h"
#include "scheduler/scheduler.h"
#include "scheduler/worker.h"

// Only for the scheduler's own sources: shared.cc (requests and decisions carried out), shared_loads.cc (runners that
// start, load and go wrong), shared_gpus.cc (GPUs that are lost).
namespace da::scheduler {

// The core, the clients it decides about, and who waits. Shared with leases and load handlers, which may outlive the
// scheduler.
class Shared : public std::enable_shared_from_this<Shared> {
 public:
  using Clock = std::chrono::steady_clock;

  Shared(Options options, Logger log, Scheduler::Start start, Scheduler::FreeMemory free_memory,
         Scheduler::Probe probe);

  Scheduler::Ticket acquire(const store::ModelInfo& model, const Use& use, Scheduler::LoadProgress progress,
                            Scheduler::Ready ready);
  void cancel(Scheduler::Ticket ticket);
  bool unload(const std::string& name);
  std::vector<LoadedModel> loaded();
  void released(Core::InstanceId instance, const std::string& client, int64_t tokens);
  void set_options(const Options& options);
  Stats stats();
  // The timer's thread, until shut_down.
  void watch();
  void shut_down();
  // Set before, reset after use by the scheduler; posts to one that is gone are dropped.
  void attach(Worker* starter, Worker* stopper, Worker* prober) {
    const std::lock_guard lock(mutex_);
    starter_ = starter;
    stopper_ = stopper;
    prober_ = prober;
  }

 private:
  struct Waiter {
    store::ModelInfo model;
    std::string client;
    Scheduler::LoadProgress progress;
    Scheduler::Ready ready;
  };
  struct Entry {
    store::ModelInfo model;
    std::shared_ptr<runner::Client> client;
    nlohmann::json ready;
    int gpu_layers = -1;
    int64_t not_finite = 0;           // of its stats, counted already
    std::vector<std::string> gpus;    // UUIDs
    std::vector<std::string> missed;  // of GPUs that could not be used when it was loaded
  };
  // What is done after the lock is let go: callbacks into other rooms.
  using Deferred = std::vector<std::function<void()>>;

  static void run(const Deferred& deferred);
  template <class Event>
  void happen(const Event& event) {
    Deferred deferred;
    {
      const std::lock_guard lock(mutex_);
      note_deaths(deferred);
      apply(event(core_), deferred);
    }
    run(deferred);
  }

  void note_deaths(Deferred& deferred);
  void book_devices();
  GpuHealth gpu_health() const;
  Core::Actions gpus_changed(const std::vector<GpuWatch::Change>& changes);
  void note_lost_gpus(const std::vector<runner::GpuSight>& lost);
  void on_gpus(Core::InstanceId instance, const nlohmann::json& message);
  void probe_if_due();
  void probe(const std::vector<std::string>& uuids);
  Core::Actions drain_if_unsound(Core::InstanceId instance);
  void apply(Core::Actions actions, Deferred& deferred);
  void start(Core::InstanceId instance);
  Core::Actions loaded_now(Core::InstanceId instance, const Entry& entry);
  void on_load_message(Core::InstanceId instance, const nlohmann::json& message);
  void load_failed(Core::InstanceId instance, const Status& status, bool crashed);

  Options options_;  // under mutex_
  const Logger log_;
  const Scheduler::Start start_;
  const Scheduler::FreeMemory free_memory_;
  const Scheduler::Probe probe_;
  std::mutex mutex_;
  std::condition_variable timer_;
  Core core_;
  GpuWatch watch_;
  std::map<Scheduler::Ticket, Waiter> waiters_;
  std::map<Core::InstanceId, Entry> entries_;
  Scheduler::Ticket last_ticket_ = 0;
  Stats stats_;
  std::atomic<bool> shut_down_ = false;  // set under mutex_
  Worker* starter_ = nullptr;
  Worker* stopper_ = nullptr;
  Worker* prober_ = nullptr;
};

}  // namespace da::scheduler
