#include <algorithm>
#include <iterator>

#include "scheduler/load_terms.h"
#include "scheduler/shared.h"

// U04: GPUs that are lost, and there again.
namespace da::scheduler {

using nlohmann::json;

// Under the lock.
GpuHealth Shared::gpu_health() const {
  GpuHealth health{.degraded = watch_.is_degraded(),
                   .refuses = !watch_.may_load(options_.gpu_loss).is_ok(),
                   .none = watch_.why_none(),
                   .driver_trouble = watch_.driver_trouble()};
  for (const GpuWatch::Gpu& gpu : watch_.gpus()) {
    const auto ago = std::chrono::duration_cast<std::chrono::system_clock::duration>(Clock::now() - gpu.since);
    health.gpus.push_back({gpu.uuid, gpu.name, gpu.trouble, std::chrono::system_clock::now() - ago, gpu.n_faults});
  }
  return health;
}

// Under the lock. What is lost has no room any more; for one that is there again, models that had to do with less are
// loaded anew when those who use them are through.
Core::Actions Shared::gpus_changed(const std::vector<GpuWatch::Change>& changes) {
  Core::Actions actions;
  for (const GpuWatch::Change& change : changes) {
    if (!change.trouble.empty()) {
      log_.error("GPU lost", {{"gpu", change.name}, {"uuid", change.uuid}, {"reason", change.trouble}});
      core_.devices().lost(change.uuid);
      continue;
    }
    log_.info("GPU is there again", {{"gpu", change.name}, {"uuid", change.uuid}});
    const Status why(ErrorCode::kCancelled, change.name + " is there again; it is loaded anew");
    for (const auto& [id, entry] : entries_) {
      const bool missed = std::find(entry.missed.begin(), entry.missed.end(), change.uuid) != entry.missed.end();
      const bool had_less = entry.ready.is_object() && entry.ready.value("device_bytes", uint64_t{0}) <
                                                           entry.ready.value("memory_bytes", uint64_t{0});
      if (!missed || !had_less) continue;
      Core::Actions more = core_.drain(id, why, Clock::now());
      actions.insert(actions.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    }
  }
  return actions;
}

// Under the lock: a runner said which GPUs failed under it.
void Shared::note_lost_gpus(const std::vector<runner::GpuSight>& lost) {
  // A loss asks for nothing to be done.
  for (const runner::GpuSight& gpu : lost) (void)gpus_changed(watch_.failed(gpu, Clock::now()));
  timer_.notify_all();
}

// A runner has looked what GPUs there are and is about to load.
void Shared::on_gpus(Core::InstanceId instance, const json& message) {
  Status may;
  happen([&](Core&) {
    Core::Actions actions = gpus_changed(watch_.saw_all(runner::read_gpu_report(message), Clock::now()));
    may = watch_.may_load(options_.gpu_loss);
    const auto entry = entries_.find(instance);
    if (entry == entries_.end()) return actions;
    entry->second.missed = watch_.troubled();
    if (watch_.is_degraded() && may.is_ok()) {
      log_.warn("a model is loaded while GPUs are lost",
                {{"model", entry->second.model.name}, {"lost", entry->second.missed.size()}});
    }
    return actions;
  });
  if (!may.is_ok()) load_failed(instance, may, false);
}

// On the timer's thread, under the lock.
void Shared::probe_if_due() {
  if (prober_ == nullptr || !watch_.next_probe() || *watch_.next_probe() > Clock::now()) return;
  watch_.probing();
  prober_->post([self = shared_from_this(), uuids = watch_.troubled()] { self->probe(uuids); });
}

// On the prober's thread.
void Shared::probe(const std::vector<std::string>& uuids) {
  for (const std::string& uuid : uuids) {
    const auto report = probe_(uuid, [this] { return shut_down_.load(); });
    if (shut_down_) return;
    happen([&](Core&) { return gpus_changed(watch_.probed(uuid, report, Clock::now())); });
  }
  const std::lock_guard lock(mutex_);
  watch_.probed_all(Clock::now());
  timer_.notify_all();
}

}  // namespace da::scheduler
