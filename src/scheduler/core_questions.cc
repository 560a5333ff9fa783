#include <algorithm>
#include <cstdint>

#include "scheduler/core.h"

// Of the scheduler's core: what it says of itself, and whether its books agree.
namespace da::scheduler {

using std::chrono::milliseconds;
using std::chrono::seconds;

bool Core::is_loaded_or_loading(const std::string& key) const {
  return std::any_of(instances_.begin(), instances_.end(), [&](const auto& entry) {
    return entry.second.key == key && entry.second.state != State::kStopping;
  });
}

std::optional<Core::TimePoint> Core::next_deadline() const {
  std::optional<TimePoint> next;
  const auto consider = [&next](TimePoint time) {
    if (!next || time < *next) next = time;
  };
  for (const auto& [id, instance] : instances_) {
    if (instance.state == State::kReady && instance.n_leases == 0 && instance.expires_at)
      consider(*instance.expires_at);
    if (instance.state == State::kLoading) consider(instance.load_deadline);
  }
  for (const auto& [key, crashes] : crashes_) {
    if (crashes.retry_at == TimePoint()) continue;
    const auto waits = [&key](const auto& entry) { return entry.second.request.key == key; };
    if (!is_loaded_or_loading(key) && std::any_of(waiters_.begin(), waiters_.end(), waits)) consider(crashes.retry_at);
  }
  return next;
}

Core::Duration Core::retry_after() const {
  if (release_interval_ms_ <= 0) return seconds(5);
  const double ms = release_interval_ms_ * static_cast<double>(waiters_.size() + 1);
  return milliseconds(static_cast<int64_t>(std::clamp(ms, 1000.0, 120'000.0)));
}

std::vector<Core::Loaded> Core::loaded(TimePoint now) const {
  std::vector<Loaded> result;
  for (const auto& [id, instance] : instances_) {
    if (instance.state != State::kReady) continue;
    Loaded entry{instance.key, id, instance.n_leases, instance.expires_at};
    // In use: as if it came back now.
    if (!entry.expires_at && instance.keep_alive >= Duration(0)) entry.expires_at = now + instance.keep_alive;
    result.push_back(std::move(entry));
  }
  return result;
}

bool Core::check_integrity() const {
  if (instances_.empty() && !ledger_.empty()) return false;
  for (const auto& [uuid, device] : devices_.devices()) {
    for (const auto& [id, bytes] : device.held) {
      if (!instances_.contains(id)) return false;
    }
  }
  // Limits that were lowered are kept from then on.
  if (static_cast<int>(instances_.size()) > std::max(most_options_.max_loaded_models, 1)) return false;
  if (static_cast<int>(waiters_.size()) > most_options_.max_queue) return false;
  for (const auto& [id, instance] : instances_) {
    if (instance.n_leases < 0) return false;
    if (instance.n_leases > instance.most_places) return false;
    int n_of_clients = 0;
    for (const auto& [client, n_leases] : instance.clients) n_of_clients += n_leases;
    if (n_of_clients != instance.n_leases) return false;
    if (ledger_.holds(id) && instance.state == State::kReady) return false;
    // Nobody waits beside a place they may take.
    if (std::any_of(waiters_.begin(), waiters_.end(), [&](const auto& entry) {
          return entry.second.request.key == instance.key && may_take(instance, entry.second.request);
        })) {
      return false;
    }
    if (instance.state == State::kLoading && instance.n_leases != 0) return false;
    // An idle model that is kept has a deadline or none by wish; one that is to go is on its way.
    const bool idle = instance.state == State::kReady && instance.n_leases == 0;
    if (idle && (instance.draining || instance.replaced || instance.keep_alive == Duration(0))) return false;
    if (idle && instance.keep_alive > Duration(0) && !instance.expires_at) return false;
    const auto same_key = std::count_if(instances_.begin(), instances_.end(), [&](const auto& other) {
      return other.second.key == instance.key && other.second.state != State::kStopping;
    });
    if (same_key > 1) return false;
  }
  return true;
}

}  // namespace da::scheduler
