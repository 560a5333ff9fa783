#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "scheduler/fair_share.h"

namespace da::scheduler {

// The decisions of the scheduler: what happened and when goes in, what to do comes out. No threads, no clock, no
// processes. A model is known by its key (the path of its weights), one loaded copy of it by its instance number.
class Core {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::milliseconds;
  using Ticket = uint64_t;
  using InstanceId = uint64_t;

  struct Options {
    Duration keep_alive{300'000};   // negative: for ever
    int max_loaded_models = 3;
    int max_queue = 512;                  // of those that wait: for a load, or for their turn
    int n_parallel = 0;                   // leases of an instance at once; 0: any number
    Duration load_timeout{300'000};   // without any progress
  };

  struct Action {
    enum class Kind {
      kStart,    // start loading `key` as `instance`; report load_done or load_failed
      kStop,     // end `instance`, loaded or loading; report stopped
      kGrant,    // `ticket` may use `instance`; report released when it is through
      kFail,     // `ticket` ends with `status`
    } kind;
    std::string key;
    InstanceId instance = 0;
    Ticket ticket = 0;
    Status status;
  };
  using Actions = std::vector<Action>;

  explicit Core(Options options) : options_(options), most_options_(options) {}

  // --- events ---
  // `client`: whose turn it is among many; see FairShare.
  Actions acquire(Ticket ticket, const std::string& key, const std::string& client, std::optional<Duration> keep_alive,
                  TimePoint now);
  Actions cancel(Ticket ticket, TimePoint now);   // of one that waits; others are ignored
  Actions load_progress(InstanceId instance, TimePoint now);
  Actions load_done(InstanceId instance, TimePoint now);
  // `crashed`: the process died, rather than said why it cannot load.
  Actions load_failed(InstanceId instance, const Status& status, bool crashed, TimePoint now);
  Actions died(InstanceId instance, TimePoint now);
  // `tokens`: what the client got, read and written.
  Actions released(InstanceId instance, const std::string& client, int64_t tokens, TimePoint now);
  Actions stopped(InstanceId instance, TimePoint now);
  Actions unload(const std::string& key, TimePoint now);   // as soon as nobody uses it
  Actions tick(TimePoint now);                             // deadlines that have passed
  Actions set_options(Options options, TimePoint now);     // for what comes; nothing is taken from anybody
  Actions shut_down(TimePoint now);                        // all waiters fail, everything stops

  // --- questions ---
  std::optional<TimePoint> next_deadline() const;
  bool is_loaded_or_loading(const std::string& key) const;
  struct Loaded {
    std::string key;
    InstanceId instance = 0;
    int n_leases = 0;
    std::optional<TimePoint> expires_at;   // nullopt: never
  };
  std::vector<Loaded> loaded(TimePoint now) const;
  size_t n_waiting() const { return waiters_.size(); }
  int n_crashes() const { return n_crashes_; }
  // Counts that must agree; for tests.
  bool check_integrity() const;

 private:
  enum class State { kLoading, kReady, kStopping };
  struct Instance {
    std::string key;
    State state = State::kLoading;
    int n_leases = 0;
    Duration keep_alive{0};
    std::optional<TimePoint> expires_at;   // set while idle, unless for ever
    TimePoint last_used{}, load_deadline{};
    bool draining = false;   // stops when idle, because another model needs its place
  };
  struct Waiter {
    std::string key, client;
    std::optional<Duration> keep_alive;
  };
  struct Crashes {
    int count = 0;
    TimePoint retry_at{};
  };

  // The instance of the key that requests go to, or null. kStopping ones are on their way out and count only as room.
  Instance* current(const std::string& key, InstanceId* id = nullptr);
  void grant(Ticket ticket, InstanceId id, Actions& actions);   // of a waiter
  void serve_waiters(InstanceId id, Actions& actions);
  void fail_waiters(const std::string& key, const Status& status, Actions& actions);
  void stop(InstanceId id, Actions& actions);
  void settle_idle(InstanceId id, TimePoint now, Actions& actions);
  void make_room_and_load(TimePoint now, Actions& actions);
  std::optional<std::string> next_key_to_load();

  Options options_, most_options_;   // now, and the largest there were
  std::map<InstanceId, Instance> instances_;
  std::map<Ticket, Waiter> waiters_;   // in order of arrival
  std::map<std::string, Crashes> crashes_;
  FairShare shares_;
  int n_crashes_ = 0;
  InstanceId last_instance_ = 0;
  bool shutting_down_ = false;
};

}  // namespace da::scheduler
