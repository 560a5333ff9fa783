// The scheduler's core under virtual time: clients of several kinds, loads that take time, fail or crash, runners that
// die, memory that is short, settings that change. See support/seeds.h for how to repeat one seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <set>
#include <string>

#include "scheduler/core.h"
#include "support/seeds.h"

namespace da::scheduler {
namespace {

using namespace std::chrono_literals;
using Kind = Core::Action::Kind;
using Ms = std::chrono::milliseconds;

class World {
 public:
  explicit World(uint32_t seed)
      : random_(seed), total_bytes_(100 + pick(300)),
        options_{.keep_alive = Ms(pick(5000)), .max_loaded_models = 1 + pick(3), .max_queue = 3 + pick(12), .n_parallel = pick(4), .load_timeout = 20s},
        core_(options_) {
    for (int i = 0; i < 5; ++i) needs_.push_back(static_cast<uint64_t>(20 + pick(200)));
    auto at = Ms(0);
    for (int i = 0, n = 5 + pick(30); i < n; ++i) later(at += Ms(pick(1500)), [this] { arrive(); });
    for (int i = 0, n = pick(4); i < n; ++i) later(Ms(pick(30000)), [this] { change_settings(); });
    for (int i = 0, n = pick(3); i < n; ++i) later(Ms(pick(30000)), [this] { apply(core_.unload(key(pick(5)), now_)); });
  }

  void run() {
    for (int n_events = 0; !events_.empty(); ++n_events) {
      ASSERT_LT(n_events, 20000) << "no end";
      const auto event = events_.top();
      events_.pop();
      now_ = event.at;
      event.happen();
      if (::testing::Test::HasFatalFailure()) return;
      if (const auto deadline = core_.next_deadline(); deadline && *deadline != tick_at_) {
        tick_at_ = *deadline;
        later(std::max(std::chrono::duration_cast<Ms>(*deadline - now_), Ms(0)), [this] { apply(core_.tick(now_)); });
      }
    }
    EXPECT_EQ(core_.n_waiting(), 0U);
    for (const auto& [ticket, n] : ends_) ASSERT_EQ(n, 1) << "ticket " << ticket;
    // Only what is kept for ever is still there.
    for (const Core::Loaded& one : core_.loaded(now_)) EXPECT_FALSE(one.expires_at.has_value());
  }
  uint64_t trace() const { return trace_; }

 private:
  enum class State { kLoading, kReady, kStopping };
  struct Instance {
    std::string key;
    State state = State::kLoading;
    uint64_t bytes = 0;   // taken now
  };
  struct Event {
    Core::TimePoint at;
    uint64_t number;
    std::function<void()> happen;
    bool operator<(const Event& other) const { return std::pair(at, number) > std::pair(other.at, other.number); }
  };

  int pick(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }
  static std::string key(int i) { return std::string(1, static_cast<char>('a' + i)); }
  uint64_t need(const std::string& name) const { return needs_[static_cast<size_t>(name[0] - 'a')]; }
  void later(Ms delay, std::function<void()> happen) { events_.push({now_ + delay, ++n_events_, std::move(happen)}); }
  uint64_t free_bytes() const {
    uint64_t taken = 0;
    for (const auto& [id, instance] : instances_) taken += instance.bytes;
    return std::max<uint64_t>(total_bytes_ > taken ? total_bytes_ - taken : 0, 1);
  }

  void arrive() {
    const Core::Ticket ticket = ++last_ticket_;
    const std::string name = key(pick(5));
    ends_[ticket] = 0;
    clients_[ticket] = "client" + std::to_string(pick(4));
    std::optional<Core::Duration> keep_alive;
    if (pick(4) == 0) keep_alive = Ms(pick(3) * 1000 - (pick(20) == 0 ? 3000 : 0));
    core_.set_free_bytes(free_bytes());
    apply(core_.acquire({ticket, name, clients_[ticket], keep_alive, pick(3) - 1, need(name)}, now_));
    if (pick(4) == 0) later(Ms(pick(6000)), [this, ticket] { apply(core_.cancel(ticket, now_)); });
  }

  void change_settings() {
    options_.n_parallel = pick(4);
    options_.max_queue = 3 + pick(12);
    options_.max_loaded_models = 1 + pick(3);
    apply(core_.set_options(options_, now_));
  }

  void start(const Core::Action& action) {
    const uint64_t needed = need(action.key);
    if (!instances_.empty()) {
      uint64_t promised = 0;
      for (const auto& [id, other] : instances_) {
        if (other.state == State::kLoading) promised += need(other.key) - other.bytes;
      }
      ASSERT_LE(needed + promised, free_bytes()) << "loaded beside others where it does not fit";
    }
    instances_[action.instance] = {action.key, State::kLoading, 0};
    const Core::InstanceId id = action.instance;
    const int fate = pick(12);
    const Ms time(100 + pick(3000));
    later(time, [this, id, fate] {
      const auto found = instances_.find(id);
      if (found == instances_.end() || found->second.state != State::kLoading) return;
      if (fate < 2) {
        apply(core_.load_failed(id, {ErrorCode::kUnavailable, "crash"}, fate == 0, now_));
        return;
      }
      found->second.state = State::kReady;
      found->second.bytes = need(found->second.key);
      core_.set_free_bytes(free_bytes());
      apply(core_.load_done(id, now_, pick(6)));
    });
    if (fate == 4) later(time + Ms(pick(8000)), [this, id] { apply(core_.drain(id, {ErrorCode::kInternal, "unsound"}, now_)); });
    if (fate == 3) later(time + Ms(pick(8000)), [this, id] { apply(core_.died(id, now_)); });
  }

  void apply(const Core::Actions& actions) {
    for (const Core::Action& action : actions) {
      trace_ = trace_ * 1000003 + static_cast<uint64_t>(action.kind) * 7 + action.instance * 31 + action.ticket;
      switch (action.kind) {
        case Kind::kStart:
          start(action);
          if (::testing::Test::HasFatalFailure()) return;
          break;
        case Kind::kStop: {
          Instance& instance = instances_.at(action.instance);
          ASSERT_NE(instance.state, State::kStopping);
          instance.state = State::kStopping;
          const Core::InstanceId id = action.instance;
          later(Ms(pick(2000)), [this, id] {
            instances_.erase(id);
            core_.set_free_bytes(free_bytes());
            apply(core_.stopped(id, now_));
          });
          break;
        }
        case Kind::kGrant: {
          ASSERT_EQ(instances_.at(action.instance).state, State::kReady);
          ++ends_[action.ticket];
          const Core::InstanceId id = action.instance;
          const std::string client = clients_[action.ticket];
          later(Ms(pick(4000)), [this, id, client] { apply(core_.released(id, client, pick(3000), now_)); });
          break;
        }
        case Kind::kFail:
          ++ends_[action.ticket];
          break;
      }
    }
    ASSERT_TRUE(core_.check_integrity());
  }

  std::mt19937 random_;
  const uint64_t total_bytes_;
  std::vector<uint64_t> needs_;
  Core::Options options_;
  Core core_;
  Core::TimePoint now_{1000s}, tick_at_{};
  std::priority_queue<Event> events_;
  uint64_t n_events_ = 0;
  std::map<Core::InstanceId, Instance> instances_;
  std::map<Core::Ticket, int> ends_;
  std::map<Core::Ticket, std::string> clients_;
  Core::Ticket last_ticket_ = 0;
  uint64_t trace_ = 0;
};

TEST(SchedulerSimulation, EveryTicketEndsOnceAndMemoryIsNeverPromisedTwice) {
  const auto [first, count] = test::seeds(10000);
  for (uint32_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("DEEPANALYZE_SIM_SEED=" + std::to_string(seed));
    World world(seed);
    world.run();
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(SchedulerSimulation, ASeedIsAlwaysTheSameStory) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    World one(seed), two(seed);
    one.run();
    two.run();
    EXPECT_EQ(one.trace(), two.trace());
  }
}

// A light user beside one that asks for as much as it can: its waits are as if it were alone, but for the places it
// shares (C05).
TEST(SchedulerSimulation, AHeavyClientDoesNotMakeALightOneWait) {
  const auto p95_of_light = [](bool with_heavy) {
    std::mt19937 random(7);
    Core core({.keep_alive = 1h, .max_queue = 4096});
    Core::TimePoint now{1000s};
    std::map<Core::Ticket, std::pair<std::string, Core::TimePoint>> asked;
    std::multimap<Core::TimePoint, std::pair<bool, Core::Ticket>> events;   // true: an end; ticket 0: an arrival
    std::vector<double> waits;
    Core::Ticket last = 0;
    const auto apply = [&](const Core::Actions& actions) {
      for (const Core::Action& action : actions) {
        if (action.kind != Kind::kGrant) continue;
        const auto& [client, since] = asked[action.ticket];
        if (client == "light") waits.push_back(std::chrono::duration<double>(now - since).count());
        events.emplace(now + Ms(200 + random() % 400), std::pair(true, action.ticket));
      }
    };
    const auto ask = [&](const std::string& client) {
      asked[++last] = {client, now};
      apply(core.acquire({last, "m", client}, now));
    };
    ask("first");
    apply(core.load_done(1, now, 8));
    for (int i = 0; i < 400; ++i) events.emplace(now + Ms(i * 500 + random() % 100), std::pair(false, Core::Ticket(0)));
    if (with_heavy) {
      for (int i = 0; i < 2000; ++i) ask("heavy");   // ten times what there are places for, at all times
    }
    while (!events.empty()) {
      const auto [at, event] = *events.begin();
      events.erase(events.begin());
      now = at;
      if (!event.first) {
        ask("light");
        continue;
      }
      const std::string client = asked[event.second].first;
      apply(core.released(1, client, 500, now));
      if (with_heavy && client == "heavy") ask("heavy");
      if (waits.size() >= 400) break;
    }
    std::sort(waits.begin(), waits.end());
    return waits.at(waits.size() * 95 / 100);
  };
  EXPECT_EQ(p95_of_light(false), 0);
  EXPECT_LE(p95_of_light(true), 0.2);
}

}  // namespace
}  // namespace da::scheduler
