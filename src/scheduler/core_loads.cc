#include <algorithm>
#include <cstdint>

#include "scheduler/core.h"

// Of the scheduler's core: what is loaded, what makes room for it, and what rests after a crash.
namespace da::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A model that crashes again and again would keep the machine busy for nothing: from the second crash in a row on, it
// rests before the next try.
milliseconds back_off(int n_crashes) {
  if (n_crashes < 2) return milliseconds(0);
  return std::min<milliseconds>(seconds(60), seconds(1) * (1 << std::min(n_crashes - 1, 6)));
}

}  // namespace

// The key of the first waiter that no loading or usable instance will serve.
std::optional<std::string> Core::next_key_to_load(TimePoint now) {
  for (const auto& [ticket, waiter] : waiters_) {
    const std::string& key = waiter.request.key;
    if (rests(key, now)) continue;
    // The memory of one that is replaced is free when it has stopped.
    const bool leaves = std::any_of(instances_.begin(), instances_.end(), [&key](const auto& entry) {
      return entry.second.key == key && entry.second.state == State::kStopping && entry.second.replaced;
    });
    if (current(key) == nullptr && !leaves) return key;
  }
  return std::nullopt;
}

// A model that is loaded alone is loaded in any case: its runner says best what is lacking.
Core::Room Core::room_for(const Instance& instance) const {
  const int gpu_layers = instance.gpu_layers >= 0 ? instance.gpu_layers : options_.gpu_layers;
  Room room{.only_gpu = instance.only_gpu};
  if (gpu_layers != 0) room.device_bytes = std::min(instance.need_bytes, devices_.room_bytes(room.only_gpu));
  if (instances_.empty() || instance.need_bytes == 0) return room;
  const uint64_t host_bytes = instance.need_bytes - room.device_bytes;
  room.on_devices = room.device_bytes <= devices_.free_bytes(room.only_gpu);
  room.on_host = free_bytes_ == 0 || host_bytes == 0 || host_bytes + ledger_.promised_bytes() <= free_bytes_;
  return room;
}

// Something that is on its way out already makes room; else the idle model unused for longest goes; else the busy one
// unused for longest gets no new work until it is through. Where only GPUs are short, of those that use them.
void Core::make_room(const Room& lacking, Actions& actions) {
  bool stopping = false, draining = false;
  InstanceId idle = 0, busy = 0;
  for (const auto& [id, instance] : instances_) {
    if (!lacking.on_devices && lacking.on_host && !devices_.uses_devices(id, lacking.only_gpu)) continue;
    stopping = stopping || instance.state == State::kStopping;
    draining = draining || instance.draining;
    if (instance.state != State::kReady) continue;
    InstanceId& best = instance.n_leases == 0 ? idle : busy;
    if (best == 0 || instance.last_used < instances_.at(best).last_used) best = id;
  }
  if (idle != 0 && !stopping) {
    stop(idle, actions);
  } else if (!stopping && !draining && busy != 0) {
    instances_.at(busy).draining = true;
  }
}

void Core::replace_unsuited(Actions& actions) {
  for (auto& [id, instance] : instances_) {
    if (instance.state != State::kReady) continue;
    for (const auto& [ticket, waiter] : waiters_) {
      if (instance.replaced || waiter.request.key != instance.key || suits(instance, waiter.request.gpu_layers))
        continue;
      instance.replaced = true;
      instance.why_replaced = {ErrorCode::kCancelled,
                               "another number of layers on GPUs (num_gpu) is wanted; it is loaded anew"};
    }
    if (instance.replaced && instance.n_leases == 0) stop(id, actions);
  }
}

void Core::note_crash(const std::string& key, bool at_load, TimePoint now) {
  Crashes& crashes = crashes_[key];
  ++(at_load ? crashes.at_load : crashes.in_service);
  ++n_crashes_;
  crashes.retry_at = now + back_off(crashes.at_load + crashes.in_service);
}

bool Core::rests(const std::string& key, TimePoint now) const {
  const auto crashes = crashes_.find(key);
  return crashes != crashes_.end() && now < crashes->second.retry_at;
}

void Core::make_room_and_load(TimePoint now, Actions& actions) {
  if (shutting_down_) return;
  replace_unsuited(actions);
  while (const auto key = next_key_to_load(now)) {
    Instance instance;
    instance.key = *key;
    instance.keep_alive = options_.keep_alive;
    instance.load_deadline = now + options_.load_timeout;
    for (const auto& [ticket, waiter] : waiters_) {
      if (waiter.request.key != *key) continue;
      if (waiter.request.keep_alive) instance.keep_alive = *waiter.request.keep_alive;
      instance.need_bytes = std::max(instance.need_bytes, waiter.request.need_bytes);
      if (instance.gpu_layers < 0) instance.gpu_layers = waiter.request.gpu_layers;
      instance.only_gpu = waiter.request.only_gpu;  // the same for all of a key
    }
    Room room = room_for(instance);
    const bool too_many = static_cast<int>(instances_.size()) >= std::max(options_.max_loaded_models, 1);
    if (too_many || !room.on_devices || !room.on_host) {
      if (too_many) room.on_host = false;  // whichever goes
      make_room(room, actions);
      return;
    }
    const InstanceId id = ++last_instance_;
    const int gpu_layers = instance.gpu_layers;
    ledger_.promise(id, instance.need_bytes - room.device_bytes);
    devices_.promise(id, room.device_bytes, room.only_gpu);
    instances_[id] = std::move(instance);
    actions.push_back({Action::Kind::kStart, *key, id, 0, {}, gpu_layers});
  }
  // Nobody waits for room: what was to make it may go on.
  for (auto& [id, instance] : instances_) {
    if (!instance.draining || instance.state != State::kReady) continue;
    instance.draining = false;
    serve_waiters(id, now, actions);
  }
}

Core::Actions Core::load_progress(InstanceId id, TimePoint now) {
  if (const auto found = instances_.find(id); found != instances_.end())
    found->second.load_deadline = now + options_.load_timeout;
  return {};
}

Core::Actions Core::load_done(InstanceId id, TimePoint now, int n_places) {
  Actions actions;
  const auto found = instances_.find(id);
  if (found == instances_.end() || found->second.state != State::kLoading) return actions;
  Instance& instance = found->second;
  instance.state = State::kReady;
  instance.last_used = now;
  instance.n_places = n_places;
  ledger_.settle(id);
  devices_.loaded(id);
  if (const auto crashes = crashes_.find(instance.key); crashes != crashes_.end()) crashes->second.at_load = 0;
  serve_waiters(id, now, actions);
  settle_idle(id, now, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::load_failed(InstanceId id, const Status& status, bool crashed, TimePoint now) {
  Actions actions;
  const auto found = instances_.find(id);
  if (found == instances_.end() || found->second.state != State::kLoading) return actions;
  const std::string key = found->second.key;
  if (crashed) note_crash(key, true, now);
  stop(id, actions);
  fail_waiters(key, status, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::died(InstanceId id, TimePoint now) {
  Actions actions;
  const auto found = instances_.find(id);
  if (found == instances_.end() || found->second.state != State::kReady) return actions;  // a load's end is load_failed
  note_crash(found->second.key, false, now);
  stop(id, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::drain(InstanceId id, const Status& why, TimePoint now) {
  Actions actions;
  const auto found = instances_.find(id);
  if (found == instances_.end() || found->second.state != State::kReady || found->second.replaced) return actions;
  found->second.replaced = true;
  found->second.why_replaced = why;
  settle_idle(id, now, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::stopped(InstanceId id, TimePoint now) {
  Actions actions;
  instances_.erase(id);
  ledger_.settle(id);
  devices_.settle(id);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::unload(const std::string& key, TimePoint now) {
  Actions actions;
  InstanceId id = 0;
  Instance* instance = current(key, &id);
  if (instance == nullptr) return actions;
  instance->keep_alive = Duration(0);
  settle_idle(id, now, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::tick(TimePoint now) {
  Actions actions;
  std::vector<InstanceId> late;
  for (auto& [id, instance] : instances_) {
    if (instance.state == State::kReady && instance.n_leases == 0 && instance.expires_at && *instance.expires_at <= now)
      stop(id, actions);
    if (instance.state == State::kLoading && instance.load_deadline <= now) late.push_back(id);
  }
  for (auto& [key, crashes] : crashes_) {
    if (crashes.retry_at <= now) crashes.retry_at = TimePoint();  // it has rested
  }
  for (const InstanceId id : late) {
    Actions more = load_failed(id, {ErrorCode::kUnavailable, "timed out waiting for the model to load"}, true, now);
    actions.insert(actions.end(), more.begin(), more.end());
  }
  make_room_and_load(now, actions);
  return actions;
}

}  // namespace da::scheduler
