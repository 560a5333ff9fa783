#include "scheduler/core.h"

#include <algorithm>

namespace da::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A model that crashes again and again while loading would keep the machine busy for nothing: from the second crash in
// a row on, it rests before the next try.
milliseconds back_off(int n_crashes) {
  if (n_crashes < 2) return milliseconds(0);
  return std::min<milliseconds>(seconds(60), seconds(1) * (1 << std::min(n_crashes - 1, 6)));
}

// What a request is taken to cost until it is known, so that nobody takes all places at once.
constexpr int64_t kAssumedTokens = 512;

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

void Core::grant(Ticket ticket, InstanceId id, Actions& actions) {
  Instance& instance = instances_.at(id);
  ++instance.n_leases;
  instance.expires_at.reset();
  shares_.charge(waiters_.at(ticket).client, kAssumedTokens);
  waiters_.erase(ticket);
  actions.push_back({Action::Kind::kGrant, instance.key, id, ticket, {}});
}

// As many as there are places, the least served client first, of one client in order of arrival.
void Core::serve_waiters(InstanceId id, Actions& actions) {
  const Instance& instance = instances_.at(id);
  while (instance.state == State::kReady && !instance.draining &&
         (options_.n_parallel <= 0 || instance.n_leases < options_.n_parallel)) {
    auto best = waiters_.end();
    for (auto waiter = waiters_.begin(); waiter != waiters_.end(); ++waiter) {
      if (waiter->second.key != instance.key) continue;
      if (best == waiters_.end() || shares_.tokens(waiter->second.client) < shares_.tokens(best->second.client)) best = waiter;
    }
    if (best == waiters_.end()) return;
    grant(best->first, id, actions);
  }
}

void Core::fail_waiters(const std::string& key, const Status& status, Actions& actions) {
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    if (waiter->second.key == key) {
      actions.push_back({Action::Kind::kFail, key, 0, waiter->first, status});
      shares_.leave(waiter->second.client);
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
  actions.push_back({Action::Kind::kStop, instance.key, id, 0, {}});
}

// After the last lease came back: stays for its keep-alive, or goes.
void Core::settle_idle(InstanceId id, TimePoint now, Actions& actions) {
  Instance& instance = instances_.at(id);
  if (instance.state != State::kReady || instance.n_leases > 0) return;
  if (instance.draining || instance.keep_alive == Duration(0)) {
    stop(id, actions);
  } else if (instance.keep_alive > Duration(0)) {
    instance.expires_at = now + instance.keep_alive;
  }
}

// The key of the first waiter that no loading or usable instance will serve.
std::optional<std::string> Core::next_key_to_load() {
  for (const auto& [ticket, waiter] : waiters_) {
    const Instance* instance = current(waiter.key);
    if (instance == nullptr) return waiter.key;
  }
  return std::nullopt;
}

void Core::make_room_and_load(TimePoint now, Actions& actions) {
  if (shutting_down_) return;
  while (const auto key = next_key_to_load()) {
    if (static_cast<int>(instances_.size()) < std::max(options_.max_loaded_models, 1)) {
      Instance instance;
      instance.key = *key;
      instance.keep_alive = options_.keep_alive;
      instance.load_deadline = now + options_.load_timeout;
      for (const auto& [ticket, waiter] : waiters_) {
        if (waiter.key == *key && waiter.keep_alive) instance.keep_alive = *waiter.keep_alive;
      }
      const InstanceId id = ++last_instance_;
      instances_[id] = std::move(instance);
      actions.push_back({Action::Kind::kStart, *key, id, 0, {}});
      continue;
    }
    // Full. Something that is on its way out already makes room; else the idle model unused for longest goes; else the
    // busy one unused for longest gets no new work until it is through.
    bool room_is_coming = false;
    InstanceId idle = 0, busy = 0;
    for (const auto& [id, instance] : instances_) {
      if (instance.state == State::kStopping || instance.draining) room_is_coming = true;
      if (instance.state != State::kReady) continue;
      InstanceId& best = instance.n_leases == 0 ? idle : busy;
      if (best == 0 || instance.last_used < instances_.at(best).last_used) best = id;
    }
    if (idle != 0 && std::none_of(instances_.begin(), instances_.end(),
                                  [](const auto& entry) { return entry.second.state == State::kStopping; })) {
      stop(idle, actions);
    } else if (!room_is_coming && busy != 0) {
      instances_.at(busy).draining = true;
    }
    return;
  }
  // Nobody waits for room: what was to make it may go on.
  for (auto& [id, instance] : instances_) {
    if (!instance.draining || instance.state != State::kReady) continue;
    instance.draining = false;
    serve_waiters(id, actions);
  }
}

Core::Actions Core::acquire(Ticket ticket, const std::string& key, const std::string& client, std::optional<Duration> keep_alive,
                            TimePoint now) {
  Actions actions;
  if (shutting_down_) {
    actions.push_back({Action::Kind::kFail, key, 0, ticket, {ErrorCode::kCancelled, "the server is shutting down"}});
    return actions;
  }
  InstanceId id = 0;
  Instance* instance = current(key, &id);
  if (instance != nullptr && keep_alive) instance->keep_alive = *keep_alive;
  const bool ready = instance != nullptr && instance->state == State::kReady && !instance->draining;
  if (ready) instance->last_used = now;
  // Whoever waits for a place of this instance has filled it, so a free one is this ticket's.
  if (ready && (options_.n_parallel <= 0 || instance->n_leases < options_.n_parallel)) {
    waiters_[ticket] = {key, client, keep_alive};
    shares_.enter(client);
    grant(ticket, id, actions);
    return actions;
  }
  if (const auto crashes = crashes_.find(key); instance == nullptr && crashes != crashes_.end() && now < crashes->second.retry_at) {
    const auto wait = std::chrono::ceil<seconds>(crashes->second.retry_at - now).count();
    actions.push_back({Action::Kind::kFail, key, 0, ticket,
                       {ErrorCode::kUnavailable, "the model runner stopped while loading this model " + std::to_string(crashes->second.count) +
                                                     " times in a row; next try possible in " + std::to_string(wait) + " s"}});
    return actions;
  }
  if (static_cast<int>(waiters_.size()) >= options_.max_queue) {
    actions.push_back({Action::Kind::kFail, key, 0, ticket,
                       {ErrorCode::kResourceExhausted, "server busy, please try again.  maximum pending requests exceeded: " +
                                                              std::to_string(waiters_.size()) + " waiting"}});
    return actions;
  }
  waiters_[ticket] = {key, client, keep_alive};
  shares_.enter(client);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::cancel(Ticket ticket, TimePoint now) {
  Actions actions;
  const auto waiter = waiters_.find(ticket);
  if (waiter == waiters_.end()) return actions;
  const std::string key = waiter->second.key;
  shares_.leave(waiter->second.client);
  waiters_.erase(waiter);
  actions.push_back({Action::Kind::kFail, key, 0, ticket, {ErrorCode::kCancelled, "request canceled"}});
  const bool wanted = std::any_of(waiters_.begin(), waiters_.end(), [&](const auto& entry) { return entry.second.key == key; });
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

Core::Actions Core::load_done(InstanceId id, TimePoint now) {
  Actions actions;
  const auto found = instances_.find(id);
  if (found == instances_.end() || found->second.state != State::kLoading) return actions;
  Instance& instance = found->second;
  instance.state = State::kReady;
  instance.last_used = now;
  crashes_.erase(instance.key);
  serve_waiters(id, actions);
  settle_idle(id, now, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::load_failed(InstanceId id, const Status& status, bool crashed, TimePoint now) {
  Actions actions;
  const auto found = instances_.find(id);
  if (found == instances_.end() || found->second.state != State::kLoading) return actions;
  const std::string key = found->second.key;
  if (crashed) {
    Crashes& crashes = crashes_[key];
    ++crashes.count;
    ++n_crashes_;
    crashes.retry_at = now + back_off(crashes.count);
  }
  stop(id, actions);
  fail_waiters(key, status, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::died(InstanceId id, TimePoint now) {
  Actions actions;
  const auto found = instances_.find(id);
  if (found == instances_.end() || found->second.state != State::kReady) return actions;   // a load's end is load_failed
  ++n_crashes_;
  stop(id, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::released(InstanceId id, const std::string& client, int64_t tokens, TimePoint now) {
  Actions actions;
  shares_.charge(client, tokens - kAssumedTokens);
  shares_.leave(client);
  const auto found = instances_.find(id);
  if (found == instances_.end()) return actions;
  --found->second.n_leases;
  found->second.last_used = now;
  serve_waiters(id, actions);
  settle_idle(id, now, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::stopped(InstanceId id, TimePoint now) {
  Actions actions;
  instances_.erase(id);
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
  most_options_.n_parallel = options.n_parallel <= 0 || most_options_.n_parallel <= 0 ? 0 : std::max(most_options_.n_parallel, options.n_parallel);
  for (auto& [id, instance] : instances_) serve_waiters(id, actions);
  make_room_and_load(now, actions);
  return actions;
}

Core::Actions Core::shut_down(TimePoint) {
  Actions actions;
  shutting_down_ = true;
  for (const auto& [ticket, waiter] : waiters_) {
    actions.push_back({Action::Kind::kFail, waiter.key, 0, ticket, {ErrorCode::kCancelled, "the server is shutting down"}});
  }
  for (const auto& [ticket, waiter] : waiters_) shares_.leave(waiter.client);
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
  return next;
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
  // Limits that were lowered are kept from then on.
  if (static_cast<int>(instances_.size()) > std::max(most_options_.max_loaded_models, 1)) return false;
  if (static_cast<int>(waiters_.size()) > most_options_.max_queue) return false;
  for (const auto& [id, instance] : instances_) {
    if (instance.n_leases < 0) return false;
    if (most_options_.n_parallel > 0 && instance.n_leases > most_options_.n_parallel) return false;
    // Nobody waits beside a free place.
    const bool has_place = instance.state == State::kReady && !instance.draining &&
                           (options_.n_parallel <= 0 || instance.n_leases < options_.n_parallel);
    if (has_place && std::any_of(waiters_.begin(), waiters_.end(), [&](const auto& entry) { return entry.second.key == instance.key; })) {
      return false;
    }
    if (instance.state == State::kLoading && instance.n_leases != 0) return false;
    // An idle model that is kept has a deadline or none by wish; one that is to go is on its way.
    const bool idle = instance.state == State::kReady && instance.n_leases == 0;
    if (idle && (instance.draining || instance.keep_alive == Duration(0))) return false;
    if (idle && instance.keep_alive > Duration(0) && !instance.expires_at) return false;
    const auto same_key = std::count_if(instances_.begin(), instances_.end(), [&](const auto& other) {
      return other.second.key == instance.key && other.second.state != State::kStopping;
    });
    if (same_key > 1) return false;
  }
  return true;
}

}  // namespace da::scheduler
