#include "scheduler/core.h"

#include <algorithm>
#include <cstdint>

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

// What a request is taken to cost until it is known, so that nobody takes all places at once.
constexpr int64_t kAssumedTokens = 512;

// Waiting for so long counts as one more of priority: nobody waits for ever.
constexpr seconds kAgeing(60);

// From so many places on one is kept for newcomers.
constexpr int kPlacesWithReserve = 4;

}  // namespace

Core::Instance* Core::current(const std::string& key, InstanceId* id) {
  for (auto& [number, instance] : instances_) {
    if (instance.key != key || instance.state == State::kStopping) continue;
    if (id != nullptr) *id = number;
    return &instance;
  }
  return nullptr;
}

bool Core::is_loaded_or_loading(const std::string& key) const {
  return std::any_of(instances_.begin(), instances_.end(), [&](const auto& entry) {
    return entry.second.key == key && entry.second.state != State::kStopping;
  });
}

// Without a limit: a number that is never reached.
int Core::places(const Instance& instance) const {
  if (options_.n_parallel > 0) return options_.n_parallel;
  return instance.n_places > 0 ? instance.n_places : INT32_MAX;
}

// Where the number of places is ours to choose, the last one is kept for a client that has none: who comes anew need not
// wait for the end of another's long answers.
bool Core::may_take(const Instance& instance, const Request& request) const {
  if (instance.state != State::kReady || instance.draining || instance.replaced) return false;
  if (!suits(instance, request.gpu_layers)) return false;
  const int n_free = places(instance) - instance.n_leases;
  const bool keeps_one = options_.n_parallel <= 0 && instance.n_places >= kPlacesWithReserve;
  return n_free > 1 || (n_free == 1 && (!keeps_one || !instance.clients.contains(request.client)));
}

bool Core::goes_before(const Waiter& one, const Waiter& other, TimePoint now) const {
  const auto rank = [&](const Waiter& waiter) { return waiter.request.priority + (now - waiter.since) / kAgeing; };
  if (rank(one) != rank(other)) return rank(one) > rank(other);
  return shares_.tokens(one.request.client) < shares_.tokens(other.request.client);
}

void Core::grant(Ticket ticket, InstanceId id, Actions& actions) {
  Instance& instance = instances_.at(id);
  ++instance.n_leases;
  instance.most_places = std::max(instance.most_places, places(instance));
  instance.expires_at.reset();
  const std::string& client = waiters_.at(ticket).request.client;
  ++instance.clients[client];
  shares_.charge(client, kAssumedTokens);
  waiters_.erase(ticket);
  actions.push_back({Action::Kind::kGrant, instance.key, id, ticket, {}});
}

// As many as there are places: by priority, then the least served client first, of one client in order of arrival.
void Core::serve_waiters(InstanceId id, TimePoint now, Actions& actions) {
  const Instance& instance = instances_.at(id);
  while (true) {
    auto best = waiters_.end();
    for (auto waiter = waiters_.begin(); waiter != waiters_.end(); ++waiter) {
      const Request& request = waiter->second.request;
      if (request.key != instance.key || !may_take(instance, request)) continue;
      if (best == waiters_.end() || goes_before(waiter->second, best->second, now)) best = waiter;
    }
    if (best == waiters_.end()) return;
    grant(best->first, id, actions);
  }
}

void Core::fail_waiters(const std::string& key, const Status& status, Actions& actions) {
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    if (waiter->second.request.key == key) {
      actions.push_back({Action::Kind::kFail, key, 0, waiter->first, status});
      shares_.leave(waiter->second.request.client);
      waiter = waiters_.erase(waiter);
    } else {
      ++waiter;
    }
  }
}

void Core::stop(InstanceId id, Actions& actions) {
  Instance& instance = instances_.at(id);
  if (instance.state == State::kStopping) return;
  instance.state = State::kStopping;
  instance.expires_at.reset();
  actions.push_back({Action::Kind::kStop, instance.key, id, 0, instance.why_replaced});
}

// After the last lease came back: stays for its keep-alive, or goes.
void Core::settle_idle(InstanceId id, TimePoint now, Actions& actions) {
  Instance& instance = instances_.at(id);
  if (instance.state != State::kReady || instance.n_leases > 0) return;
  if (instance.draining || instance.replaced || instance.keep_alive == Duration(0)) {
    stop(id, actions);
  } else if (instance.keep_alive > Duration(0)) {
    instance.expires_at = now + instance.keep_alive;
  }
}

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
  Room room;
  if (gpu_layers != 0) room.device_bytes = std::min(instance.need_bytes, devices_.room_bytes());
  if (instances_.empty() || instance.need_bytes == 0) return room;
  const uint64_t host_bytes = instance.need_bytes - room.device_bytes;
  room.on_devices = room.device_bytes <= devices_.free_bytes();
  room.on_host = free_bytes_ == 0 || host_bytes == 0 || host_bytes + ledger_.promised_bytes() <= free_bytes_;
  return room;
}

// Something that is on its way out already makes room; else the idle model unused for longest goes; else the busy one
// unused for longest gets no new work until it is through. Where only GPUs are short, of those that use them.
void Core::make_room(const Room& lacking, Actions& actions) {
  bool stopping = false, draining = false;
  InstanceId idle = 0, busy = 0;
  for (const auto& [id, instance] : instances_) {
    if (!lacking.on_devices && lacking.on_host && !devices_.uses_devices(id)) continue;
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
      if (instance.replaced || waiter.request.key != instance.key || suits(instance, waiter.request.gpu_layers)) continue;
      instance.replaced = true;
      instance.why_replaced = {ErrorCode::kCancelled, "another number of layers on GPUs (num_gpu) is wanted; it is loaded anew"};
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
    }
    Room room = room_for(instance);
    const bool too_many = static_cast<int>(instances_.size()) >= std::max(options_.max_loaded_models, 1);
    if (too_many || !room.on_devices || !room.on_host) {
      if (too_many) room.on_host = false;   // whichever goes
      make_room(room, actions);
      return;
    }
    const InstanceId id = ++last_instance_;
    const int gpu_layers = instance.gpu_layers;
    ledger_.promise(id, instance.need_bytes - room.device_bytes);
    devices_.promise(id, room.device_bytes);
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

Core::Actions Core::acquire(const Request& request, TimePoint now) {
  Actions actions;
  const auto refuse = [&](Status status) {
    actions.push_back({Action::Kind::kFail, request.key, 0, request.ticket, std::move(status)});
    return actions;
  };
  if (shutting_down_) return refuse({ErrorCode::kCancelled, "the server is shutting down"});
  InstanceId id = 0;
  Instance* instance = current(request.key, &id);
  const auto take_keep_alive = [&] {   // not of one that is refused
    if (instance != nullptr && request.keep_alive) instance->keep_alive = *request.keep_alive;
  };
  const bool ready = instance != nullptr && instance->state == State::kReady && !instance->draining && !instance->replaced &&
                     suits(*instance, request.gpu_layers);
  if (ready) instance->last_used = now;
  // Whoever waits may not have the free places there are, so one that may is served at once.
  if (ready && may_take(*instance, request)) {
    take_keep_alive();
    waiters_[request.ticket] = {request, now};
    shares_.enter(request.client);
    grant(request.ticket, id, actions);
    return actions;
  }
  if (instance == nullptr && !request.again && rests(request.key, now)) {
    const Crashes& crashes = crashes_.at(request.key);
    const auto wait = std::chrono::ceil<seconds>(crashes.retry_at - now).count();
    const std::string when = crashes.in_service == 0 ? "while loading this model" : "with this model";
    return refuse({ErrorCode::kUnavailable, "the model runner stopped " + when + " " +
                                                std::to_string(crashes.at_load + crashes.in_service) +
                                                " times in a row; next try possible in " + std::to_string(wait) + " s"});
  }
  if (static_cast<int>(waiters_.size()) >= options_.max_queue) {
    return refuse({ErrorCode::kResourceExhausted,
                   "server busy, please try again.  maximum pending requests exceeded: " + std::to_string(waiters_.size()) + " waiting"});
  }
  take_keep_alive();
  waiters_[request.ticket] = {request, now};
  shares_.enter(request.client);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::cancel(Ticket ticket, TimePoint now) {
  Actions actions;
  const auto waiter = waiters_.find(ticket);
  if (waiter == waiters_.end()) return actions;
  const std::string key = waiter->second.request.key;
  shares_.leave(waiter->second.request.client);
  waiters_.erase(waiter);
  actions.push_back({Action::Kind::kFail, key, 0, ticket, {ErrorCode::kCancelled, "request canceled"}});
  const bool wanted = std::any_of(waiters_.begin(), waiters_.end(), [&](const auto& entry) { return entry.second.request.key == key; });
  InstanceId id = 0;
  const Instance* instance = current(key, &id);
  if (!wanted && instance != nullptr && instance->state == State::kLoading) stop(id, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::load_progress(InstanceId id, TimePoint now) {
  if (const auto found = instances_.find(id); found != instances_.end()) found->second.load_deadline = now + options_.load_timeout;
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
  if (found == instances_.end() || found->second.state != State::kReady) return actions;   // a load's end is load_failed
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

Core::Actions Core::released(InstanceId id, const std::string& client, int64_t tokens, TimePoint now) {
  Actions actions;
  shares_.charge(client, tokens - kAssumedTokens);
  shares_.leave(client);
  if (last_release_) {
    const double ms = std::chrono::duration<double, std::milli>(now - *last_release_).count();
    release_interval_ms_ = release_interval_ms_ > 0 ? release_interval_ms_ * 0.8 + ms * 0.2 : ms;
  }
  last_release_ = now;
  const auto found = instances_.find(id);
  if (found == instances_.end()) return actions;
  --found->second.n_leases;
  if (tokens > 0 && found->second.state == State::kReady) crashes_.erase(found->second.key);
  if (const auto entry = found->second.clients.find(client); entry != found->second.clients.end() && --entry->second == 0) {
    found->second.clients.erase(entry);
  }
  found->second.last_used = now;
  serve_waiters(id, now, actions);
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
    if (instance.state == State::kReady && instance.n_leases == 0 && instance.expires_at && *instance.expires_at <= now) stop(id, actions);
    if (instance.state == State::kLoading && instance.load_deadline <= now) late.push_back(id);
  }
  for (auto& [key, crashes] : crashes_) {
    if (crashes.retry_at <= now) crashes.retry_at = TimePoint();   // it has rested
  }
  for (const InstanceId id : late) {
    Actions more = load_failed(id, {ErrorCode::kUnavailable, "timed out waiting for the model to load"}, true, now);
    actions.insert(actions.end(), more.begin(), more.end());
  }
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::set_options(Options options, TimePoint now) {
  Actions actions;
  options_ = options;
  most_options_.max_loaded_models = std::max(most_options_.max_loaded_models, options.max_loaded_models);
  most_options_.max_queue = std::max(most_options_.max_queue, options.max_queue);
  for (auto& [id, instance] : instances_) serve_waiters(id, now, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::shut_down(TimePoint) {
  Actions actions;
  shutting_down_ = true;
  for (const auto& [ticket, waiter] : waiters_) {
    actions.push_back({Action::Kind::kFail, waiter.request.key, 0, ticket, {ErrorCode::kCancelled, "the server is shutting down"}});
    shares_.leave(waiter.request.client);
  }
  waiters_.clear();
  for (auto& [id, instance] : instances_) stop(id, actions);
  return actions;
}

std::optional<Core::TimePoint> Core::next_deadline() const {
  std::optional<TimePoint> next;
  const auto consider = [&next](TimePoint time) {
    if (!next || time < *next) next = time;
  };
  for (const auto& [id, instance] : instances_) {
    if (instance.state == State::kReady && instance.n_leases == 0 && instance.expires_at) consider(*instance.expires_at);
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
