#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "scheduler/device_ledger.h"
#include "scheduler/fair_share.h"
#include "scheduler/ledger.h"

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
    int n_parallel = 0;                   // leases of an instance at once; 0: as many as it says it is good for
    Duration load_timeout{300'000};   // without any progress
    int gpu_layers = -1;   // of requests that name none; 0: no model uses GPUs
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
    Status status;        // of kStop: why, where that is not plain
    int gpu_layers = -1;  // of kStart: see acquire
  };
  using Actions = std::vector<Action>;

  explicit Core(Options options) : options_(options), most_options_(options) {}

  // --- events ---
  struct Request {
    Ticket ticket = 0;
    std::string key, client;   // client: whose turn it is among many; see FairShare
    std::optional<Duration> keep_alive;
    int priority = 0;          // higher goes first; a minute of waiting counts as one more
    uint64_t need_bytes = 0;   // of memory, if the model must be loaded; 0: not known
    // -1 takes the model as it is; otherwise one that was loaded with another number is loaded anew, as soon as those
    // who use it are through.
    int gpu_layers = -1;
    // Its runner died before there was anything of an answer: it waits where others are told to come back.
    bool again = false;
    std::string only_gpu = "";   // UUID of the one GPU it is bound to; "": to none, or it is not known
  };
  Actions acquire(const Request& request, TimePoint now);
  Actions cancel(Ticket ticket, TimePoint now);   // of one that waits; others are ignored
  Actions load_progress(InstanceId instance, TimePoint now);
  // `n_places`: requests at once it is good for; 0: any number.
  Actions load_done(InstanceId instance, TimePoint now, int n_places = 0);
  // `crashed`: the process died, rather than said why it cannot load.
  Actions load_failed(InstanceId instance, const Status& status, bool crashed, TimePoint now);
  Actions died(InstanceId instance, TimePoint now);
  // It gets no new work and stops when those who use it are through; who comes meanwhile waits for another.
  Actions drain(InstanceId instance, const Status& why, TimePoint now);
  // `tokens`: what the client got, read and written.
  Actions released(InstanceId instance, const std::string& client, int64_t tokens, TimePoint now);
  Actions stopped(InstanceId instance, TimePoint now);
  Actions unload(const std::string& key, TimePoint now);   // as soon as nobody uses it
  Actions tick(TimePoint now);                             // deadlines that have passed
  Actions set_options(Options options, TimePoint now);     // for what comes; nothing is taken from anybody
  Actions shut_down(TimePoint now);                        // all waiters fail, everything stops
  // Memory of the host that is free at this moment, as the system says; 0: it does not. What loads beside others is to
  // fit, on the GPUs as far as they have room in all, and with the rest here.
  void set_free_bytes(uint64_t n_bytes) { free_bytes_ = n_bytes; }
  DeviceLedger& devices() { return devices_; }
  const DeviceLedger& devices() const { return devices_; }

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
  // After how long one who is refused now may find a place: what waits, at the rate at which requests have ended.
  Duration retry_after() const;
  // Counts that must agree; for tests.
  bool check_integrity() const;

 private:
  enum class State { kLoading, kReady, kStopping };
  struct Instance {
    std::string key;
    State state = State::kLoading;
    int n_leases = 0, n_places = 0, most_places = 0;   // most_places: there have been at once, for integrity
    std::map<std::string, int> clients;                // with leases
    uint64_t need_bytes = 0;
    Duration keep_alive{0};
    std::optional<TimePoint> expires_at;   // set while idle, unless for ever
    TimePoint last_used{}, load_deadline{};
    bool draining = false;   // stops when idle, because another model needs its place
    int gpu_layers = -1;
    std::string only_gpu;
    bool replaced = false;   // stops when idle, and is loaded anew once it has stopped
    Status why_replaced;
  };
  struct Waiter {
    Request request;
    TimePoint since{};
  };
  // In a row: while loading until a load succeeds, in service until somebody is served.
  struct Crashes {
    int at_load = 0, in_service = 0;
    TimePoint retry_at{};
  };

  // The instance of the key that requests go to, or null. kStopping ones are on their way out and count only as room.
  Instance* current(const std::string& key, InstanceId* id = nullptr);
  int places(const Instance& instance) const;
  bool may_take(const Instance& instance, const Request& request) const;
  bool goes_before(const Waiter& one, const Waiter& other, TimePoint now) const;
  // Of a load's bytes those that go to GPUs, and whether there is room for them, and for the rest on the host.
  struct Room {
    uint64_t device_bytes = 0;
    std::string only_gpu;
    bool on_devices = true, on_host = true;
  };
  Room room_for(const Instance& instance) const;
  void make_room(const Room& lacking, Actions& actions);
  void grant(Ticket ticket, InstanceId id, Actions& actions);   // of a waiter
  void serve_waiters(InstanceId id, TimePoint now, Actions& actions);
  void fail_waiters(const std::string& key, const Status& status, Actions& actions);
  void stop(InstanceId id, Actions& actions);
  void settle_idle(InstanceId id, TimePoint now, Actions& actions);
  static bool suits(const Instance& instance, int gpu_layers) { return gpu_layers < 0 || gpu_layers == instance.gpu_layers; }
  void replace_unsuited(Actions& actions);
  void note_crash(const std::string& key, bool at_load, TimePoint now);
  bool rests(const std::string& key, TimePoint now) const;
  void make_room_and_load(TimePoint now, Actions& actions);
  std::optional<std::string> next_key_to_load(TimePoint now);

  Options options_, most_options_;   // now, and the largest there were
  std::map<InstanceId, Instance> instances_;
  std::map<Ticket, Waiter> waiters_;   // in order of arrival
  std::map<std::string, Crashes> crashes_;
  FairShare shares_;
  Ledger ledger_;   // of the host
  DeviceLedger devices_;
  uint64_t free_bytes_ = 0;
  std::optional<TimePoint> last_release_;
  double release_interval_ms_ = 0;   // between ends of requests, lately; 0: not known
  int n_crashes_ = 0;
  InstanceId last_instance_ = 0;
  bool shutting_down_ = false;
};

}  // namespace da::scheduler
