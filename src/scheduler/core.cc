#include "scheduler/core.h"

#include <algorithm>
#include <cstdint>

// Of the scheduler's core: who waits, whose turn it is and who is served. Loads are in core_loads.cc, questions in
// core_questions.cc.
namespace da::scheduler {
namespace {

using std::chrono::seconds;

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

// Without a limit: a number that is never reached.
int Core::places(const Instance& instance) const {
  if (options_.n_parallel > 0) return options_.n_parallel;
  return instance.n_places > 0 ? instance.n_places : INT32_MAX;
}

// Where the number of places is ours to choose, the last one is kept for a client that has none: who comes anew need
// not wait for the end of another's long answers.
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

Core::Actions Core::acquire(const Request& request, TimePoint now) {
  Actions actions;
  const auto refuse = [&](Status status) {
    actions.push_back({Action::Kind::kFail, request.key, 0, request.ticket, std::move(status)});
    return actions;
  };
  if (shutting_down_) return refuse({ErrorCode::kCancelled, "the server is shutting down"});
  InstanceId id = 0;
  Instance* instance = current(request.key, &id);
  const auto take_keep_alive = [&] {  // not of one that is refused
    if (instance != nullptr && request.keep_alive) instance->keep_alive = *request.keep_alive;
  };
  const bool ready = instance != nullptr && instance->state == State::kReady && !instance->draining &&
                     !instance->replaced && suits(*instance, request.gpu_layers);
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
    return refuse({ErrorCode::kUnavailable,
                   "the model runner stopped " + when + " " + std::to_string(crashes.at_load + crashes.in_service) +
                       " times in a row; next try possible in " + std::to_string(wait) + " s"});
  }
  if (static_cast<int>(waiters_.size()) >= options_.max_queue) {
    return refuse(
        {ErrorCode::kResourceExhausted, "server busy, please try again.  maximum pending requests exceeded: " +
                                            std::to_string(waiters_.size()) + " waiting"});
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
  const bool wanted =
      std::any_of(waiters_.begin(), waiters_.end(), [&](const auto& entry) { return entry.second.request.key == key; });
  InstanceId id = 0;
  const Instance* instance = current(key, &id);
  if (!wanted && instance != nullptr && instance->state == State::kLoading) stop(id, actions);
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
  if (const auto entry = found->second.clients.find(client);
      entry != found->second.clients.end() && --entry->second == 0) {
    found->second.clients.erase(entry);
  }
  found->second.last_used = now;
  serve_waiters(id, now, actions);
  settle_idle(id, now, actions);
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
    actions.push_back(
        {Action::Kind::kFail, waiter.request.key, 0, ticket, {ErrorCode::kCancelled, "the server is shutting down"}});
    shares_.leave(waiter.request.client);
  }
  waiters_.clear();
  for (auto& [id, instance] : instances_) stop(id, actions);
  return actions;
}

}  // namespace da::scheduler
