#include <algorithm>
#include <utility>

#include "scheduler/load_terms.h"
#include "scheduler/shared.h"

namespace da::scheduler {

using nlohmann::json;

namespace {

constexpr size_t kMostGpus = 64;  // of a runner

// Requests of a runner that may end for results that are no numbers before it is replaced.
constexpr int64_t kMostNotFinite = 3;

}  // namespace

// Under the lock: what runners hold on GPUs, by their latest figures.
void Shared::book_devices() {
  for (const auto& [id, entry] : entries_) {
    if (!entry.client || entry.gpus.empty()) continue;
    const json stats = entry.client->stats();
    if (!stats.is_object()) continue;
    for (size_t i = 0; i < entry.gpus.size(); ++i) {
      uint64_t bytes = 0;
      for (const char* kind : {"_weight_bytes", "_kv_bytes", "_buffer_bytes"})
        bytes += stats.value("gpu" + std::to_string(i) + kind, uint64_t{0});
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
  const std::string why =
      std::to_string(n) + " requests ended because the model's results were no finite numbers; it is loaded anew";
  log_.error("model drains", {{"model", entry.model.name}, {"reason", why}});
  return core_.drain(instance, {ErrorCode::kInternal, why}, Clock::now());
}

// On the starter's thread.
void Shared::start(Core::InstanceId instance) {
  runner::Spec spec;
  std::string parallel;
  {
    const std::lock_guard lock(mutex_);
    parallel = options_.n_parallel > 0 ? std::to_string(options_.n_parallel) : "auto";
    const auto entry = entries_.find(instance);
    if (entry == entries_.end()) return;  // abandoned meanwhile
    spec = spec_of(entry->second.model, entry->second.gpu_layers, options_);
    const std::string gpu = watch_.uuid_of(main_gpu_of(entry->second.model));
    if (!gpu.empty()) spec.options["main_gpu_uuid"] = gpu;
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
  if (unwanted) return;  // abandoned while it started; the end of this scope ends the process
  // The ready message may have come before the client was in its place.
  happen([&](Core&) {
    const auto entry = entries_.find(instance);
    return entry != entries_.end() && !entry->second.ready.is_null() ? loaded_now(instance, entry->second)
                                                                     : Core::Actions();
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
  if (!options_.log_level.empty()) entry.client->tell({{"op", "configure"}, {"log_level", options_.log_level}});
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
    for (const auto& report : progress)
      report(message.value("bytes_done", uint64_t{0}), message.value("bytes_total", uint64_t{0}));
  } else if (type == "gpus") {
    on_gpus(instance, message);
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
    if (const auto lost = message.find("lost_gpus"); lost != message.end()) {
      const std::lock_guard lock(mutex_);
      note_lost_gpus(runner::read_gpu_report({{"gpus", *lost}}).gpus);
    }
    load_failed(instance, {code, message.value("message", "loading failed")}, code == ErrorCode::kUnavailable);
  }
}

void Shared::load_failed(Core::InstanceId instance, const Status& status, bool crashed) {
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(instance);
    if (entry == entries_.end()) return;
    ++stats_.failed_loads;
    log_.error(
        "model load failed",
        {{"model", entry->second.model.name}, {"code", error_code_name(status.code())}, {"reason", status.message()}});
  }
  happen([&](Core& core) { return core.load_failed(instance, status, crashed, Clock::now()); });
}

}  // namespace da::scheduler
