#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "runner/client.h"
#include "scheduler/gpu_watch.h"
#include "store/store.h"

// Which models are loaded, for how long, and who waits.
namespace da::scheduler {

struct Options {
  std::chrono::milliseconds keep_alive{std::chrono::minutes(5)};   // negative: for ever
  int max_loaded_models = 3;
  int max_queue = 512;          // requests waiting, for a load or for their turn; more are refused (kResourceExhausted)
  int n_parallel = 0;           // requests a model answers at once; 0: as many as its runner finds memory for
  int64_t context_tokens = 0;   // default num_ctx; 0: what fits, up to the model's own
  std::chrono::milliseconds latency_target{0};   // between two tokens of a request; 0: none
  std::string kv_cache_type = "f16";
  std::string log_level;   // of the runners; "": as their environment says
  int gpu_layers = -1;   // of models that name none; -1: as many as fit
  GpuLoss gpu_loss = GpuLoss::kOthers;
};

// Who asks, and how.
struct Use {
  std::string client;   // whose turn it is among many
  // nullopt keeps what the model has, 0 unloads it when idle, negative keeps it for ever.
  std::optional<std::chrono::milliseconds> keep_alive;
  int priority = 0;     // 1 goes before 0, that before -1
  bool again = false;   // its runner died before there was anything of an answer: it waits while the model rests
};

// Use of a loaded model; the model stays loaded at least as long. Move-only; returning it starts the keep-alive clock.
class Lease {
 public:
  virtual ~Lease() = default;
  virtual runner::Client& client() = 0;
  virtual const store::ModelInfo& model() const = 0;
  // What the client got of it so far, for its share.
  virtual void charge(int64_t tokens) = 0;
  virtual const nlohmann::json& ready() const = 0;   // the runner's ready message (context_tokens, memory_bytes, protocol)
};

struct LoadedModel {
  store::ModelInfo model;
  int64_t context_tokens = 0;
  uint64_t size_bytes = 0, size_vram_bytes = 0;
  std::optional<std::chrono::system_clock::time_point> expires_at;   // nullopt: for ever
  pid_t runner_pid = 0;
  nlohmann::json runner_stats;   // the runner's latest; null: none yet
  std::vector<std::string> gpus;   // UUIDs of those it uses, in the order of gpu0_…, gpu1_… in its stats
};

// A GPU's memory in the scheduler's books.
struct DeviceMemory {
  std::string uuid;
  uint64_t room_bytes = 0;   // for our runners, all together
  uint64_t held_bytes = 0;   // by them now
};

// What is known of GPUs: nothing before a first model has loaded.
struct GpuHealth {
  struct Gpu {
    std::string uuid, name, trouble;   // trouble "": it can be used
    std::chrono::system_clock::time_point since;   // of the trouble
    int64_t n_faults = 0;
  };
  std::vector<Gpu> gpus;
  bool degraded = false;   // one is lost or has failed, or the driver fails
  bool refuses = false;    // so that models which would use GPUs are refused
  std::string none;        // why there are none
  std::string driver_trouble;
};

struct Stats {
  size_t n_waiting = 0;   // for a load, or for their turn
  int64_t loads = 0, failed_loads = 0, unloads = 0, crashes = 0;   // since the start
  std::vector<DeviceMemory> devices;
  GpuHealth gpu_health;
  int64_t not_finite = 0;   // requests that ended because what the model computed was no number
  int retry_after_s = 5;  // when one who is refused now may come back
};

class Scheduler {
 public:
  using LoadProgress = std::function<void(uint64_t bytes_done, uint64_t bytes_total)>;
  using Ready = std::function<void(Result<std::unique_ptr<Lease>>)>;
  using Ticket = uint64_t;
  // Starts a runner; runner::Client::start but for tests.
  using Start = std::function<Result<std::shared_ptr<runner::Client>>(const runner::Spec&, Logger, runner::Client::Handler on_load)>;
  // Free memory at this moment; 0: not known.
  using FreeMemory = std::function<uint64_t()>;
  // Looks for a GPU; runner::probe_gpus but for tests.
  using Probe = std::function<Result<runner::GpuReport>(const std::string& uuid, const std::function<bool()>& give_up)>;
  static std::unique_ptr<Scheduler> create(Options options, Logger log, Start start = {}, FreeMemory free_memory = {}, Probe probe = {});
  // Waiters get kCancelled; everything is unloaded, the processes are waited for. A lease that is still out keeps its
  // process until it is returned, and may outlive the scheduler.
  virtual ~Scheduler() = default;

  // `ready` is called exactly once, from any thread, perhaps before this returns; it and `progress` must not block. One
  // load serves all who wait for it. A dead runner is replaced; a model whose runner died twice in a row rests before the
  // next try (kUnavailable). One that computes what are no numbers is loaded anew after a few such requests. A model that does not fit beside others takes the place of those unused
  // for longest. One whose parameters name `num_gpu` is loaded anew if it was loaded with another. Errors: those of
  // loading, kUnavailable beginning with kDegraded (GPUs are lost, see GpuLoss), kResourceExhausted (queue full), kCancelled.
  // Of those that wait, the higher priority goes first, then the client that was served the fewest tokens.
  virtual Ticket acquire(const store::ModelInfo& model, const Use& use, LoadProgress progress, Ready ready) = 0;
  virtual void cancel(Ticket ticket) = 0;    // a waiter that left: `ready` gets kCancelled
  // After running requests; false if it was not loaded. `model_name`: ModelInfo::name, or the path of the weights.
  virtual bool unload(const std::string& model_name) = 0;
  virtual std::vector<LoadedModel> loaded() const = 0;
  virtual Stats stats() const = 0;
  // For what comes; nothing is taken from anybody. The default context and the type of keys and values hold from the
  // next load on.
  virtual void set_options(Options options) = 0;
};

}  // namespace da::scheduler
