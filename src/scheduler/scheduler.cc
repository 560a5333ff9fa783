#include "scheduler/scheduler.h"

#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/memory_limits.h"
#include "scheduler/core.h"

namespace da::scheduler {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

ErrorCode code_of(const std::string& name) {
  for (int number = 0; number <= static_cast<int>(ErrorCode::kInternal); ++number) {
    if (error_code_name(static_cast<ErrorCode>(number)) == name) return static_cast<ErrorCode>(number);
  }
  return ErrorCode::kInternal;
}

// Jobs done one after another on a thread of their own; the rest is done before the destructor returns.
class Worker {
 public:
  Worker() : thread_([this] { work(); }) {}
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  void post(std::function<void()> job) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    changed_.notify_all();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      {
        const std::function<void()> job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job();
      }
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

Core::Options core_options(const Options& options) {
  return {.keep_alive = options.keep_alive,
          .max_loaded_models = options.max_loaded_models,
          .max_queue = options.max_queue,
          .n_parallel = options.n_parallel,
          .gpu_layers = options.gpu_layers};
}

// Names for the same weights share a runner, unless a model wants keys and values of a type of its own.
std::string key_of(const store::ModelInfo& model) {
  const auto kv_type = model.parameters.find("kv_cache_type");
  if (kv_type == model.parameters.end() || !kv_type->is_string()) return model.gguf_path;
  return model.gguf_path + "\n" + kv_type->get<std::string>();
}

// What a load is taken to need, on GPUs and host together: the weights, packed, and a little for work buffers and the first pages.
uint64_t need_bytes(const store::ModelInfo& model) {
  return model.size_bytes == 0 ? 0 : model.size_bytes + model.size_bytes / 8 + (64ULL << 20);
}

// -1: the model names none.
int gpu_layers_of(const store::ModelInfo& model) {
  const auto found = model.parameters.find("num_gpu");
  if (found == model.parameters.end() || !found->is_number()) return -1;
  return static_cast<int>(std::clamp(found->get<double>(), -1.0, 1e6));
}

constexpr size_t kMostGpus = 64;   // of a runner

// What a runner says may be anything, and a UUID is shown to others.
bool is_gpu(const json& gpu) {
  if (!gpu.is_object() || !gpu.contains("uuid") || !gpu["uuid"].is_string()) return false;
  if (!gpu.contains("free_bytes") || !gpu["free_bytes"].is_number_unsigned()) return false;
  const auto& uuid = gpu["uuid"].get_ref<const std::string&>();
  const auto is_plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; };
  return uuid.size() <= 64 && std::all_of(uuid.begin(), uuid.end(), is_plain);
}

// Requests of a runner that may end for results that are no numbers before it is replaced.
constexpr int64_t kMostNotFinite = 3;

// An engine has room for this many at once, so that the number of places can be raised while it runs.
constexpr int kLeastSequences = 16;

// The core, the clients it decides about, and who waits. Shared with leases and load handlers, which may outlive the
// scheduler.
class Shared : public std::enable_shared_from_this<Shared> {
 public:
  Shared(Options options, Logger log, Scheduler::Start start, Scheduler::FreeMemory free_memory)
      : options_(options),
        log_(std::move(log)),
        start_(std::move(start)),
        free_memory_(std::move(free_memory)),
        core_(core_options(options)) {}

  Scheduler::Ticket acquire(const store::ModelInfo& model, const Use& use, Scheduler::LoadProgress progress, Scheduler::Ready ready) {
    Deferred deferred;
    Scheduler::Ticket ticket = 0;
    {
      const std::lock_guard lock(mutex_);
      note_deaths(deferred);
      ticket = ++last_ticket_;
      waiters_[ticket] = {model, use.client, std::move(progress), std::move(ready)};
      if (!core_.is_loaded_or_loading(key_of(model))) {
        core_.set_free_bytes(free_memory_());
        book_devices();
      }
      apply(core_.acquire({ticket, key_of(model), use.client, use.keep_alive, use.priority, need_bytes(model), gpu_layers_of(model), use.again},
                          Clock::now()), deferred);
    }
    run(deferred);
    return ticket;
  }

  void cancel(Scheduler::Ticket ticket) {
    happen([&](Core& core) { return core.cancel(ticket, Clock::now()); });
  }

  bool unload(const std::string& name) {
    bool found = false;
    happen([&](Core& core) {
      Core::Actions actions;
      for (const auto& [id, entry] : entries_) {
        if ((entry.model.name != name && entry.model.gguf_path != name) || !core.is_loaded_or_loading(key_of(entry.model))) continue;
        found = true;
        actions = core.unload(key_of(entry.model), Clock::now());
        break;
      }
      return actions;
    });
    return found;
  }

  std::vector<LoadedModel> loaded() {
    happen([](Core&) { return Core::Actions(); });   // notes deaths
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    std::vector<LoadedModel> result;
    for (const Core::Loaded& instance : core_.loaded(now)) {
      const Entry& entry = entries_.at(instance.instance);
      LoadedModel model;
      model.model = entry.model;
      model.context_tokens = entry.ready.value("context_tokens", int64_t{0});
      model.size_bytes = entry.ready.value("memory_bytes", uint64_t{0});
      model.runner_pid = entry.client ? entry.client->pid() : 0;
      if (entry.client) model.runner_stats = entry.client->stats();
      model.size_vram_bytes = entry.ready.value("device_bytes", uint64_t{0});
      if (model.runner_stats.is_object()) {
        model.size_bytes = model.runner_stats.value("memory_bytes", model.size_bytes);
        model.size_vram_bytes = model.runner_stats.value("device_bytes", model.size_vram_bytes);
      }
      model.gpus = entry.gpus;
      if (instance.expires_at) {
        model.expires_at = std::chrono::system_clock::now() +
                           std::chrono::duration_cast<std::chrono::system_clock::duration>(*instance.expires_at - now);
      }
      result.push_back(std::move(model));
    }
    return result;
  }

  void released(Core::InstanceId instance, const std::string& client, int64_t tokens) {
    happen([&](Core& core) {
      Core::Actions actions = drain_if_unsound(instance);
      const Core::Actions more = core.released(instance, client, tokens, Clock::now());
      actions.insert(actions.end(), more.begin(), more.end());
      return actions;
    });
  }

  void set_options(const Options& options) {
    happen([&](Core& core) {
      if (options.latency_target != options_.latency_target) {
        for (const auto& [id, entry] : entries_) {
          if (entry.client) entry.client->tell({{"op", "configure"}, {"latency_target_ms", options.latency_target.count()}});
        }
      }
      options_ = options;
      return core.set_options(core_options(options), Clock::now());
    });
  }

  Stats stats() {
    const std::lock_guard lock(mutex_);
    Stats stats = stats_;
    stats.n_waiting = core_.n_waiting();
    stats.crashes = core_.n_crashes();
    book_devices();
    for (const auto& [uuid, device] : core_.devices().devices()) stats.devices.push_back({uuid, device.room_bytes, device.held_bytes()});
    stats.retry_after_s = static_cast<int>(std::chrono::ceil<std::chrono::seconds>(core_.retry_after()).count());
    return stats;
  }

  // The timer's thread, until shut_down.
  void watch() {
    std::unique_lock lock(mutex_);
    while (!shut_down_) {
      if (const auto deadline = core_.next_deadline()) {
        timer_.wait_until(lock, *deadline);
      } else {
        timer_.wait(lock);
      }
      if (shut_down_) return;
      Deferred deferred;
      apply(core_.tick(Clock::now()), deferred);
      lock.unlock();
      run(deferred);
      lock.lock();
    }
  }

  void shut_down() {
    Deferred deferred;
    {
      std::unique_lock lock(mutex_);
      shut_down_ = true;
      apply(core_.shut_down(Clock::now()), deferred);
    }
    timer_.notify_all();
    run(deferred);
  }

  // Set before, reset after use by the scheduler; posts to one that is gone are dropped.
  void attach(Worker* starter, Worker* stopper) {
    const std::lock_guard lock(mutex_);
    starter_ = starter;
    stopper_ = stopper;
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
    json ready;
    int gpu_layers = -1;
    int64_t not_finite = 0;   // of its stats, counted already
    std::vector<std::string> gpus;   // UUIDs
  };
  // What is done after the lock is let go: callbacks into other rooms.
  using Deferred = std::vector<std::function<void()>>;

  static void run(const Deferred& deferred) {
    for (const auto& job : deferred) job();
  }

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

  void note_deaths(Deferred& deferred) {
    std::vector<Core::InstanceId> dead;
    for (const auto& [id, entry] : entries_) {
      if (entry.client && !entry.client->alive()) dead.push_back(id);
    }
    for (const Core::InstanceId id : dead) apply(core_.died(id, Clock::now()), deferred);
  }

  void book_devices();
  Core::Actions drain_if_unsound(Core::InstanceId instance);
  void apply(Core::Actions actions, Deferred& deferred);
  void start(Core::InstanceId instance);
  Core::Actions loaded_now(Core::InstanceId instance, const Entry& entry);
  void on_load_message(Core::InstanceId instance, const json& message);
  void load_failed(Core::InstanceId instance, const Status& status, bool crashed);
  runner::Spec spec_of(const Entry& entry) const;

  Options options_;   // under mutex_
  const Logger log_;
  const Scheduler::Start start_;
  const Scheduler::FreeMemory free_memory_;
  std::mutex mutex_;
  std::condition_variable timer_;
  Core core_;
  std::map<Scheduler::Ticket, Waiter> waiters_;
  std::map<Core::InstanceId, Entry> entries_;
  Scheduler::Ticket last_ticket_ = 0;
  Stats stats_;
  bool shut_down_ = false;
  Worker* starter_ = nullptr;
  Worker* stopper_ = nullptr;
};

class LeaseImpl final : public Lease {
 public:
  LeaseImpl(std::shared_ptr<Shared> shared, Core::InstanceId instance, std::shared_ptr<runner::Client> client,
            store::ModelInfo model, std::string user, json ready)
      : shared_(std::move(shared)),
        instance_(instance),
        client_(std::move(client)),
        model_(std::move(model)),
        user_(std::move(user)),
        ready_(std::move(ready)) {}
  ~LeaseImpl() override {
    client_.reset();
    shared_->released(instance_, user_, tokens_);
  }
  void charge(int64_t tokens) override { tokens_ += tokens; }
  runner::Client& client() override { return *client_; }
  const store::ModelInfo& model() const override { return model_; }
  const json& ready() const override { return ready_; }

 private:
  std::shared_ptr<Shared> shared_;
  Core::InstanceId instance_;
  std::shared_ptr<runner::Client> client_;
  store::ModelInfo model_;
  std::string user_;
  int64_t tokens_ = 0;
  json ready_;
};

runner::Spec Shared::spec_of(const Entry& entry) const {
  const store::ModelInfo& model = entry.model;
  runner::Spec spec;
  spec.name = model.name;
  spec.model_path = model.gguf_path;
  spec.options["num_parallel"] = std::max(options_.n_parallel, kLeastSequences);
  spec.options["latency_target_ms"] = options_.latency_target.count();
  spec.options["kv_cache_type"] = options_.kv_cache_type;
  spec.options["num_ctx"] = options_.context_tokens;
  spec.options["num_gpu"] = entry.gpu_layers >= 0 ? entry.gpu_layers : options_.gpu_layers;
  for (const char* key : {"num_ctx", "num_thread", "pin_threads", "use_mmap", "main_gpu"}) {
    const auto found = model.parameters.find(key);
    if (found != model.parameters.end() && (found->is_number() || found->is_boolean())) spec.options[key] = *found;
  }
  const auto kv_type = model.parameters.find("kv_cache_type");
  if (kv_type != model.parameters.end() && kv_type->is_string()) spec.options["kv_cache_type"] = *kv_type;
  return spec;
}

// Under the lock: what runners hold on GPUs, by their latest figures.
void Shared::book_devices() {
  for (const auto& [id, entry] : entries_) {
    if (!entry.client || entry.gpus.empty()) continue;
    const json stats = entry.client->stats();
    if (!stats.is_object()) continue;
    for (size_t i = 0; i < entry.gpus.size(); ++i) {
      uint64_t bytes = 0;
      for (const char* kind : {"_weight_bytes", "_kv_bytes", "_buffer_bytes"}) bytes += stats.value("gpu" + std::to_string(i) + kind, uint64_t{0});
      core_.devices().hold(id, entry.gpus[i], bytes);
    }
  }
}

// U08, under the lock: weights or a device that went wrong give no numbers again and again.
Core::Actions Shared::drain_if_unsound(Core::InstanceId instance) {
  const auto found = entries_.find(instance);
  if (found == entries_.end() || !found->second.client) return {};
  Entry& entry = found->second;
  const json stats = entry.client->stats();
  const int64_t n = stats.is_object() ? stats.value("not_finite", int64_t{0}) : 0;
  const int64_t n_before = std::exchange(entry.not_finite, n);
  stats_.not_finite += n - n_before;
  if (n < kMostNotFinite || n_before >= kMostNotFinite) return {};
  const std::string why = std::to_string(n) + " requests ended because the model's results were no finite numbers; it is loaded anew";
  log_.error("model drains", {{"model", entry.model.name}, {"reason", why}});
  return core_.drain(instance, {ErrorCode::kInternal, why}, Clock::now());
}

// Under the lock.
void Shared::apply(Core::Actions actions, Deferred& deferred) {
  for (Core::Action& action : actions) {
    switch (action.kind) {
      case Core::Action::Kind::kStart: {
        // The first waiter for these weights gives its name to the load.
        for (const auto& [ticket, waiter] : waiters_) {
          if (key_of(waiter.model) != action.key) continue;
          entries_[action.instance].model = waiter.model;
          entries_[action.instance].gpu_layers = action.gpu_layers;
          break;
        }
        if (starter_ != nullptr) {
          starter_->post([self = shared_from_this(), instance = action.instance] { self->start(instance); });
        }
        break;
      }
      case Core::Action::Kind::kStop: {
        std::shared_ptr<runner::Client> client = std::move(entries_[action.instance].client);
        ++stats_.unloads;
        log_.info("model unloaded", {{"model", entries_[action.instance].model.name}, {"reason", action.status.message()}});
        entries_.erase(action.instance);
        if (stopper_ == nullptr) break;
        stopper_->post([self = shared_from_this(), instance = action.instance, client = std::move(client)]() mutable {
          client.reset();   // waits for the process: its memory is free from here on
          self->happen([&](Core& core) {
            core.set_free_bytes(self->free_memory_());
            return core.stopped(instance, Clock::now());
          });
        });
        break;
      }
      case Core::Action::Kind::kGrant: {
        auto waiter = waiters_.extract(action.ticket);
        const Entry& entry = entries_.at(action.instance);
        deferred.push_back([ready = std::move(waiter.mapped().ready),
                            lease = std::make_shared<std::unique_ptr<Lease>>(std::make_unique<LeaseImpl>(
                                shared_from_this(), action.instance, entry.client, std::move(waiter.mapped().model),
                                std::move(waiter.mapped().client), entry.ready))] {
          ready(std::move(*lease));
        });
        break;
      }
      case Core::Action::Kind::kFail: {
        auto waiter = waiters_.extract(action.ticket);
        deferred.push_back([ready = std::move(waiter.mapped().ready), status = std::move(action.status)] { ready(status); });
        break;
      }
    }
  }
  timer_.notify_all();
}

// On the starter's thread.
void Shared::start(Core::InstanceId instance) {
  runner::Spec spec;
  std::string parallel;
  {
    const std::lock_guard lock(mutex_);
    parallel = options_.n_parallel > 0 ? std::to_string(options_.n_parallel) : "auto";
    const auto entry = entries_.find(instance);
    if (entry == entries_.end()) return;   // abandoned meanwhile
    spec = spec_of(entry->second);
  }
  log_.info("loading model", {{"model", spec.name}, {"command", "runner --parallel " + parallel}});
  auto client = start_(spec, log_, [weak = weak_from_this(), instance](const json& message) {
    if (const auto self = weak.lock()) self->on_load_message(instance, message);
  });
  if (!client.is_ok()) {
    load_failed(instance, client.status(), false);
    return;
  }
  std::shared_ptr<runner::Client> unwanted = std::move(*client);
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(instance);
    if (entry != entries_.end()) entry->second.client = std::move(unwanted);
  }
  if (unwanted) return;   // abandoned while it started; the end of this scope ends the process
  // The ready message may have come before the client was in its place.
  happen([&](Core&) {
    const auto entry = entries_.find(instance);
    return entry != entries_.end() && !entry->second.ready.is_null() ? loaded_now(instance, entry->second) : Core::Actions();
  });
}

// Under the lock.
Core::Actions Shared::loaded_now(Core::InstanceId instance, const Entry& entry) {
  const int n_places = static_cast<int>(std::clamp<int64_t>(entry.ready.value("parallel", int64_t{0}), 0, 1024));
  const int in_use = options_.n_parallel > 0 ? options_.n_parallel : n_places;
  log_.info("model ready", {{"model", entry.model.name},
                            {"command", "runner --parallel " + std::to_string(in_use)},
                            {"parallel_from", options_.n_parallel > 0 ? "setting" : "memory"},
                            {"context_tokens", entry.ready.value("context_tokens", int64_t{0})}});
  core_.set_free_bytes(free_memory_());
  book_devices();
  if (const auto gpus = entry.ready.find("gpus"); gpus != entry.ready.end() && gpus->is_array()) {
    std::vector<std::string>& known = entries_.at(instance).gpus;
    for (const json& gpu : *gpus) {
      if (!is_gpu(gpu) || known.size() >= kMostGpus) break;
      known.push_back(gpu["uuid"]);
      core_.devices().found(instance, known.back(), gpu["free_bytes"]);
    }
  }
  book_devices();
  return core_.load_done(instance, Clock::now(), n_places);
}

void Shared::on_load_message(Core::InstanceId instance, const json& message) {
  const std::string type = message.value("type", "");
  if (type == "loading") {
    std::vector<Scheduler::LoadProgress> progress;
    {
      const std::lock_guard lock(mutex_);
      (void)core_.load_progress(instance, Clock::now());
      const auto entry = entries_.find(instance);
      if (entry == entries_.end()) return;
      for (const auto& [ticket, waiter] : waiters_) {
        if (key_of(waiter.model) == key_of(entry->second.model) && waiter.progress) progress.push_back(waiter.progress);
      }
    }
    for (const auto& report : progress) report(message.value("bytes_done", uint64_t{0}), message.value("bytes_total", uint64_t{0}));
  } else if (type == "ready") {
    happen([&](Core&) {
      const auto entry = entries_.find(instance);
      if (entry == entries_.end()) return Core::Actions();
      entry->second.ready = message;
      ++stats_.loads;
      return entry->second.client ? loaded_now(instance, entry->second) : Core::Actions();
    });
  } else if (type == "error") {
    const ErrorCode code = code_of(message.value("code", ""));
    load_failed(instance, {code, message.value("message", "loading failed")}, code == ErrorCode::kUnavailable);
  }
}

void Shared::load_failed(Core::InstanceId instance, const Status& status, bool crashed) {
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(instance);
    if (entry == entries_.end()) return;
    ++stats_.failed_loads;
    log_.error("model load failed", {{"model", entry->second.model.name}, {"code", error_code_name(status.code())}, {"reason", status.message()}});
  }
  happen([&](Core& core) { return core.load_failed(instance, status, crashed, Clock::now()); });
}

class SchedulerImpl final : public Scheduler {
 public:
  SchedulerImpl(Options options, Logger log, Start start, FreeMemory free_memory)
      : shared_(std::make_shared<Shared>(options, std::move(log), std::move(start), std::move(free_memory))) {
    shared_->attach(&starter_, &stopper_);
    timer_ = std::thread([shared = shared_] { shared->watch(); });
  }
  ~SchedulerImpl() override {
    shared_->shut_down();
    timer_.join();
    // Detached first: what is posted from now on would have nobody to do it. The workers finish what they have.
    shared_->attach(nullptr, nullptr);
  }

  Ticket acquire(const store::ModelInfo& model, const Use& use, LoadProgress progress, Ready ready) override {
    return shared_->acquire(model, use, std::move(progress), std::move(ready));
  }
  void cancel(Ticket ticket) override { shared_->cancel(ticket); }
  bool unload(const std::string& model_name) override { return shared_->unload(model_name); }
  std::vector<LoadedModel> loaded() const override { return shared_->loaded(); }
  Stats stats() const override { return shared_->stats(); }
  void set_options(Options options) override { shared_->set_options(options); }

 private:
  const std::shared_ptr<Shared> shared_;
  std::thread timer_;
  Worker stopper_;   // before starter_: a start that was abandoned posts nothing, but may still run
  Worker starter_;
};

}  // namespace

std::unique_ptr<Scheduler> Scheduler::create(Options options, Logger log, Start start, FreeMemory free_memory) {
  if (!start) start = runner::Client::start;
  if (!free_memory) free_memory = available_memory_bytes;
  return std::make_unique<SchedulerImpl>(options, std::move(log), std::move(start), std::move(free_memory));
}

}  // namespace da::scheduler
