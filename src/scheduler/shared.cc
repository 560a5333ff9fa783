#include "scheduler/shared.h"

#include <utility>

#include "scheduler/load_terms.h"

namespace da::scheduler {

using nlohmann::json;

namespace {

Core::Options core_options(const Options& options) {
  return {.keep_alive = options.keep_alive,
          .max_loaded_models = options.max_loaded_models,
          .max_queue = options.max_queue,
          .n_parallel = options.n_parallel,
          .gpu_layers = options.gpu_layers};
}

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

}  // namespace

Shared::Shared(Options options, Logger log, Scheduler::Start start, Scheduler::FreeMemory free_memory,
               Scheduler::Probe probe)
    : options_(options),
      log_(std::move(log)),
      start_(std::move(start)),
      free_memory_(std::move(free_memory)),
      probe_(std::move(probe)),
      core_(core_options(options)) {}

Scheduler::Ticket Shared::acquire(const store::ModelInfo& model, const Use& use, Scheduler::LoadProgress progress,
                                  Scheduler::Ready ready) {
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
    apply(core_.acquire({ticket, key_of(model), use.client, use.keep_alive, use.priority, need_bytes(model),
                         gpu_layers_of(model), use.again, watch_.uuid_of(main_gpu_of(model))},
                        Clock::now()),
          deferred);
  }
  run(deferred);
  return ticket;
}

void Shared::cancel(Scheduler::Ticket ticket) {
  happen([&](Core& core) { return core.cancel(ticket, Clock::now()); });
}

bool Shared::unload(const std::string& name) {
  bool found = false;
  happen([&](Core& core) {
    Core::Actions actions;
    for (const auto& [id, entry] : entries_) {
      if ((entry.model.name != name && entry.model.gguf_path != name) ||
          !core.is_loaded_or_loading(key_of(entry.model)))
        continue;
      found = true;
      actions = core.unload(key_of(entry.model), Clock::now());
      break;
    }
    return actions;
  });
  return found;
}

std::vector<LoadedModel> Shared::loaded() {
  happen([](Core&) { return Core::Actions(); });  // notes deaths
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

void Shared::released(Core::InstanceId instance, const std::string& client, int64_t tokens) {
  happen([&](Core& core) {
    Core::Actions actions = drain_if_unsound(instance);
    const Core::Actions more = core.released(instance, client, tokens, Clock::now());
    actions.insert(actions.end(), more.begin(), more.end());
    return actions;
  });
}

void Shared::set_options(const Options& options) {
  happen([&](Core& core) {
    json changes = {{"op", "configure"}};
    if (options.latency_target != options_.latency_target) changes["latency_target_ms"] = options.latency_target.count();
    if (options.log_level != options_.log_level) changes["log_level"] = options.log_level;
    for (const auto& [id, entry] : entries_) {
      if (entry.client && changes.size() > 1) entry.client->tell(changes);
    }
    options_ = options;
    return core.set_options(core_options(options), Clock::now());
  });
}

Stats Shared::stats() {
  happen([](Core&) { return Core::Actions(); });  // notes deaths
  const std::lock_guard lock(mutex_);
  Stats stats = stats_;
  stats.n_waiting = core_.n_waiting();
  stats.crashes = core_.n_crashes();
  book_devices();
  for (const auto& [uuid, device] : core_.devices().devices())
    stats.devices.push_back({uuid, device.room_bytes, device.held_bytes()});
  stats.gpu_health = gpu_health();
  stats.retry_after_s = static_cast<int>(std::chrono::ceil<std::chrono::seconds>(core_.retry_after()).count());
  return stats;
}

void Shared::watch() {
  std::unique_lock lock(mutex_);
  while (!shut_down_) {
    auto next = core_.next_deadline();
    if (const auto probe = watch_.next_probe(); probe && (!next || *probe < *next)) next = probe;
    if (next) {
      timer_.wait_until(lock, *next);
    } else {
      timer_.wait(lock);
    }
    if (shut_down_) return;
    probe_if_due();
    Deferred deferred;
    apply(core_.tick(Clock::now()), deferred);
    lock.unlock();
    run(deferred);
    lock.lock();
  }
}

void Shared::shut_down() {
  Deferred deferred;
  {
    std::unique_lock lock(mutex_);
    shut_down_ = true;
    apply(core_.shut_down(Clock::now()), deferred);
  }
  timer_.notify_all();
  run(deferred);
}

void Shared::run(const Deferred& deferred) {
  for (const auto& job : deferred) job();
}

void Shared::note_deaths(Deferred& deferred) {
  std::vector<Core::InstanceId> dead;
  for (const auto& [id, entry] : entries_) {
    if (entry.client && !entry.client->alive()) dead.push_back(id);
  }
  for (const Core::InstanceId id : dead) {
    note_lost_gpus(entries_.at(id).client->lost_gpus());
    apply(core_.died(id, Clock::now()), deferred);
  }
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
        log_.info("model unloaded",
                  {{"model", entries_[action.instance].model.name}, {"reason", action.status.message()}});
        entries_.erase(action.instance);
        if (stopper_ == nullptr) break;
        stopper_->post([self = shared_from_this(), instance = action.instance, client = std::move(client)]() mutable {
          client.reset();  // waits for the process: its memory is free from here on
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
                                std::move(waiter.mapped().client), entry.ready))] { ready(std::move(*lease)); });
        break;
      }
      case Core::Action::Kind::kFail: {
        auto waiter = waiters_.extract(action.ticket);
        deferred.push_back(
            [ready = std::move(waiter.mapped().ready), status = std::move(action.status)] { ready(status); });
        break;
      }
    }
  }
  timer_.notify_all();
}

}  // namespace da::scheduler
