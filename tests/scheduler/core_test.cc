#include "scheduler/core.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

namespace da::scheduler {
namespace {

using namespace std::chrono_literals;
using Kind = Core::Action::Kind;

// Drives a core and writes down what it wants: "start a#1", "grant 7 a#1", "stop a#1", "fail 8 cancelled".
class CoreTest : public ::testing::Test {
 protected:
  std::string say(const Core::Actions& actions) {
    std::string text;
    for (const Core::Action& action : actions) {
      if (!text.empty()) text += ", ";
      const std::string instance = action.key + "#" + std::to_string(action.instance);
      switch (action.kind) {
        case Kind::kStart: text += "start " + instance; break;
        case Kind::kStop: text += "stop " + instance; break;
        case Kind::kGrant: text += "grant " + std::to_string(action.ticket) + " " + instance; break;
        case Kind::kFail: text += "fail " + std::to_string(action.ticket) + " " + std::string(error_code_name(action.status.code())); break;
      }
    }
    EXPECT_TRUE(core_.check_integrity()) << text;
    return text;
  }
  std::string acquire(Core::Ticket ticket, const std::string& key, std::optional<Core::Duration> keep_alive = std::nullopt) {
    return say(core_.acquire({ticket, key, "", keep_alive}, now_));
  }
  std::string load_done(Core::InstanceId id) { return say(core_.load_done(id, now_)); }
  std::string released(Core::InstanceId id) { return say(core_.released(id, "", 0, now_)); }
  std::string stopped(Core::InstanceId id) { return say(core_.stopped(id, now_)); }
  std::string tick() { return say(core_.tick(now_)); }
  std::string crash(Core::InstanceId id) {
    const std::string text = say(core_.load_failed(id, {ErrorCode::kUnavailable, "crashed"}, true, now_));
    return text + " | " + stopped(id);
  }

  Core core_{{.keep_alive = 10s, .max_loaded_models = 2, .max_queue = 4, .load_timeout = 60s}};
  Core::TimePoint now_{1000s};
};

TEST_F(CoreTest, OneLoadServesAllWaiters) {
  EXPECT_EQ(acquire(1, "a"), "start a#1");
  EXPECT_EQ(acquire(2, "a"), "");
  EXPECT_EQ(acquire(3, "a"), "");
  EXPECT_EQ(load_done(1), "grant 1 a#1, grant 2 a#1, grant 3 a#1");
  EXPECT_EQ(acquire(4, "a"), "grant 4 a#1");
  EXPECT_EQ(core_.loaded(now_)[0].n_leases, 4);
}

// Another num_gpu: loaded anew when those who use it are through, and not before its memory is free.
TEST_F(CoreTest, AnotherNumberOfGpuLayersLoadsAnew) {
  const auto wish = [this](Core::Ticket ticket, int gpu_layers) {
    return say(core_.acquire({.ticket = ticket, .key = "a", .client = "", .keep_alive = {}, .gpu_layers = gpu_layers}, now_));
  };
  EXPECT_EQ(wish(1, -1), "start a#1");
  EXPECT_EQ(load_done(1), "grant 1 a#1");
  EXPECT_EQ(wish(2, 0), "") << "waits for the one who uses it";
  EXPECT_EQ(wish(3, -1), "") << "nobody new is let in meanwhile";
  const Core::Actions actions = core_.released(1, "", 0, now_);
  ASSERT_EQ(actions.size(), 1U);
  EXPECT_NE(actions[0].status.message().find("num_gpu"), std::string::npos);
  EXPECT_EQ(say(actions), "stop a#1");
  const Core::Actions started = core_.stopped(1, now_);
  ASSERT_EQ(started.size(), 1U);
  EXPECT_EQ(started[0].gpu_layers, 0);
  EXPECT_EQ(say(started), "start a#2");
  EXPECT_EQ(load_done(2), "grant 2 a#2, grant 3 a#2") << "who names no number takes what there is";
  EXPECT_EQ(wish(4, 0), "grant 4 a#2");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(released(2), "");
  EXPECT_EQ(wish(5, 99), "stop a#2");
  EXPECT_EQ(stopped(2), "start a#3");
  EXPECT_EQ(wish(6, 0), "") << "loading with 99";
  EXPECT_EQ(load_done(3), "grant 5 a#3");
  EXPECT_EQ(released(3), "stop a#3");
  EXPECT_EQ(stopped(3), "start a#4");
  EXPECT_EQ(load_done(4), "grant 6 a#4");
}

TEST_F(CoreTest, WhoIsRefusedChangesNothing) {
  core_.set_options({.max_queue = 1}, now_);
  EXPECT_EQ(acquire(1, "a"), "start a#1");
  EXPECT_EQ(load_done(1), "grant 1 a#1");
  EXPECT_EQ(acquire(2, "b"), "start b#2");
  EXPECT_EQ(released(1), "");
  // a is idle, but not with this number of layers, and the queue is full.
  EXPECT_EQ(say(core_.acquire({.ticket = 3, .key = "a", .client = "", .keep_alive = 0ms, .gpu_layers = 0}, now_)), "fail 3 resource_exhausted");
  EXPECT_TRUE(core_.check_integrity());
  EXPECT_EQ(acquire(4, "a"), "grant 4 a#1");
}

TEST_F(CoreTest, KeepAlive) {
  acquire(1, "a");
  load_done(1);
  EXPECT_EQ(core_.next_deadline(), std::nullopt);
  EXPECT_EQ(core_.loaded(now_)[0].expires_at, now_ + 10s);
  EXPECT_EQ(released(1), "");
  EXPECT_EQ(core_.next_deadline(), now_ + 10s);
  now_ += 9s;
  EXPECT_EQ(tick(), "");
  EXPECT_EQ(acquire(2, "a"), "grant 2 a#1");   // stops the clock
  now_ += 9s;
  EXPECT_EQ(tick(), "");
  EXPECT_EQ(released(1), "");
  now_ += 10s;
  EXPECT_EQ(tick(), "stop a#1");
  EXPECT_EQ(tick(), "");
  EXPECT_FALSE(core_.is_loaded_or_loading("a"));
  EXPECT_EQ(stopped(1), "");
}

TEST_F(CoreTest, KeepAliveOfARequestStays) {
  acquire(1, "a", 3s);
  load_done(1);
  released(1);
  EXPECT_EQ(core_.next_deadline(), now_ + 3s);
  acquire(2, "a");
  released(1);
  EXPECT_EQ(core_.next_deadline(), now_ + 3s);
  acquire(3, "a", -1s);   // for ever
  EXPECT_EQ(core_.loaded(now_)[0].expires_at, std::nullopt);
  released(1);
  EXPECT_EQ(core_.next_deadline(), std::nullopt);
  now_ += 1000h;
  EXPECT_EQ(tick(), "");
  acquire(4, "a", 0s);
  acquire(5, "a");
  EXPECT_EQ(released(1), "");
  EXPECT_EQ(released(1), "stop a#1");
}

TEST_F(CoreTest, UnloadWaitsForUsers) {
  EXPECT_EQ(say(core_.unload("a", now_)), "");
  acquire(1, "a");
  load_done(1);
  EXPECT_EQ(say(core_.unload("a", now_)), "");
  EXPECT_EQ(released(1), "stop a#1");
  // While it goes, a new one is loaded beside it.
  EXPECT_EQ(acquire(2, "a"), "start a#2");
  EXPECT_EQ(stopped(1), "");
  load_done(2);
  released(2);
  EXPECT_EQ(say(core_.unload("a", now_)), "stop a#2");
}

TEST_F(CoreTest, TheIdleModelUnusedForLongestMakesRoom) {
  acquire(1, "a");
  load_done(1);
  released(1);
  now_ += 1s;
  acquire(2, "b");
  load_done(2);
  released(2);
  now_ += 1s;
  acquire(3, "a");
  released(1);   // now b is the older
  EXPECT_EQ(acquire(4, "c"), "stop b#2");
  EXPECT_EQ(acquire(5, "d"), "");   // one at a time: c's room is coming
  EXPECT_EQ(stopped(2), "start c#3, stop a#1");
  EXPECT_EQ(stopped(1), "start d#4");
}

TEST_F(CoreTest, BusyModelsAreWaitedFor) {
  acquire(1, "a");
  load_done(1);
  now_ += 1s;
  acquire(2, "b");
  load_done(2);
  EXPECT_EQ(acquire(3, "c"), "");   // a gets no new work from now on
  EXPECT_EQ(acquire(4, "a"), "");
  EXPECT_EQ(acquire(5, "b"), "grant 5 b#2");
  EXPECT_EQ(released(1), "stop a#1");
  EXPECT_EQ(stopped(1), "start c#3");   // and ticket 4 drains b in turn
  EXPECT_EQ(load_done(3), "grant 3 c#3");
  EXPECT_EQ(released(2), "");
  EXPECT_EQ(released(2), "stop b#2");
  EXPECT_EQ(stopped(2), "start a#4");
  EXPECT_EQ(load_done(4), "grant 4 a#4");
}

TEST_F(CoreTest, AModelThatNeedNotGoAfterAllServesItsWaiters) {
  acquire(1, "a");
  load_done(1);
  now_ += 1s;
  acquire(2, "b");
  load_done(2);
  EXPECT_EQ(acquire(3, "c"), "");
  EXPECT_EQ(acquire(4, "a"), "");
  EXPECT_EQ(say(core_.cancel(3, now_)), "fail 3 cancelled, grant 4 a#1");
}

TEST_F(CoreTest, CancelledWaiters) {
  acquire(1, "a");
  acquire(2, "a");
  EXPECT_EQ(say(core_.cancel(1, now_)), "fail 1 cancelled");
  EXPECT_EQ(say(core_.cancel(1, now_)), "");
  EXPECT_EQ(say(core_.cancel(99, now_)), "");
  EXPECT_EQ(say(core_.cancel(2, now_)), "fail 2 cancelled, stop a#1");   // nobody waits: the load is given up
  EXPECT_EQ(load_done(1), "");                                          // came too late
  EXPECT_EQ(acquire(3, "a"), "start a#2");
  EXPECT_EQ(stopped(1), "");
  EXPECT_EQ(load_done(2), "grant 3 a#2");
  EXPECT_EQ(say(core_.cancel(3, now_)), "");   // has it already
}

TEST_F(CoreTest, TheQueueIsBounded) {
  for (Core::Ticket ticket = 1; ticket <= 4; ++ticket) acquire(ticket, "a");
  EXPECT_EQ(acquire(5, "a"), "fail 5 resource_exhausted");
  EXPECT_EQ(acquire(6, "b"), "fail 6 resource_exhausted");
  load_done(1);
  EXPECT_EQ(acquire(7, "a"), "grant 7 a#1");   // no limit on what needs no load
}

TEST(CoreTurns, TheLeastServedClientComesFirst) {
  Core core({.max_loaded_models = 1, .max_queue = 8, .n_parallel = 2});
  const Core::TimePoint now{1000s};
  const auto granted = [](const Core::Actions& actions) {
    std::vector<Core::Ticket> tickets;
    for (const Core::Action& action : actions) {
      if (action.kind == Kind::kGrant) tickets.push_back(action.ticket);
    }
    return tickets;
  };
  using Tickets = std::vector<Core::Ticket>;
  for (Core::Ticket ticket = 1; ticket <= 5; ++ticket) core.acquire({ticket, "m", "heavy"}, now);
  core.acquire({6, "m", "light"}, now);
  // Two places: the first of each.
  EXPECT_EQ(granted(core.load_done(1, now)), (Tickets{1, 6}));
  EXPECT_EQ(granted(core.released(1, "heavy", 8000, now)), Tickets{2});
  EXPECT_EQ(granted(core.released(1, "light", 100, now)), Tickets{3}) << "nobody else waits";
  // The light one comes back and need not wait for what the heavy one queued.
  EXPECT_TRUE(granted(core.acquire({7, "m", "light"}, now)).empty());
  EXPECT_EQ(granted(core.released(1, "heavy", 8000, now)), Tickets{7});
  EXPECT_EQ(granted(core.released(1, "light", 100, now)), Tickets{4});
  // A newcomer starts level with the least served of those present, here the heavy one, who then gets more.
  EXPECT_TRUE(granted(core.acquire({8, "m", "new"}, now)).empty());
  EXPECT_EQ(granted(core.released(1, "heavy", 8000, now)), Tickets{8});
  EXPECT_EQ(granted(core.released(1, "heavy", 8000, now)), Tickets{5});
  EXPECT_TRUE(core.check_integrity());
}

// Priority goes before shares, and a minute of waiting counts as one more of it: nobody waits for ever.
TEST(CoreTurns, PriorityGoesFirstAndWaitingRaisesIt) {
  Core core({.max_loaded_models = 1, .max_queue = 8, .n_parallel = 1});
  Core::TimePoint now{1000s};
  const auto ask = [&](Core::Ticket ticket, const char* client, int priority) {
    return core.acquire({.ticket = ticket, .key = "m", .client = client, .priority = priority}, now);
  };
  const std::map<Core::Ticket, const char*> clients = {{1, "first"}, {2, "low"}, {3, "normal"}, {4, "high"}, {5, "high"}, {6, "late"}, {7, "high"}, {8, "high"}};
  Core::Ticket served = 1;
  const auto next = [&] {
    const Core::Actions actions = core.released(1, clients.at(served), 0, now);
    EXPECT_EQ(actions.size(), 1U);
    return served = actions.at(0).ticket;
  };
  ask(1, "first", 0);
  core.load_done(1, now);
  ask(2, "low", -1);
  ask(3, "normal", 0);
  ask(4, "high", 1);
  EXPECT_EQ(next(), 4U);
  now += 61s;   // now those that wait count as 0 and 1
  ask(5, "high", 1);
  ask(6, "late", 0);
  EXPECT_EQ(next(), 3U) << "as urgent as a newcomer of high priority, and before it by its share";
  now += 60s;
  ask(7, "high", 1);
  EXPECT_EQ(next(), 5U);
  now += 120s;
  ask(8, "high", 1);
  EXPECT_NE(next(), 8U) << "who has waited for minutes goes before high newcomers";
  EXPECT_TRUE(core.check_integrity());
}

// A client that left before it was served is no longer among those present: newcomers do not start level with it.
TEST(CoreTurns, WhoLeavesIsForgotten) {
  Core core({.max_loaded_models = 1, .max_queue = 8, .n_parallel = 1});
  const Core::TimePoint now{1000s};
  core.acquire({1, "m", "busy"}, now);
  core.load_done(1, now);
  core.acquire({2, "m", "leaves"}, now);
  core.cancel(2, now);
  core.released(1, "busy", 10000, now);
  core.acquire({3, "m", "busy"}, now);
  core.acquire({4, "m", "busy"}, now);
  core.acquire({5, "m", "new"}, now);   // level with busy, who is the only one present
  const Core::Actions first = core.released(1, "busy", 400, now);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].ticket, 4U) << "new has no credit from one who is gone";
}

TEST(CoreTurns, TheQueueBehindALoadedModelIsBounded) {
  Core core({.max_loaded_models = 1, .max_queue = 3, .n_parallel = 1});
  const Core::TimePoint now{1000s};
  core.acquire({1, "m", ""}, now);
  core.load_done(1, now);
  for (Core::Ticket ticket = 2; ticket <= 4; ++ticket) EXPECT_TRUE(core.acquire({ticket, "m", ""}, now).empty());
  const Core::Actions refused = core.acquire({5, "m", ""}, now);
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].status.code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(core.n_waiting(), 3U);
}

TEST_F(CoreTest, FailedLoads) {
  acquire(1, "a");
  acquire(2, "a");
  EXPECT_EQ(say(core_.load_failed(1, {ErrorCode::kCorruptData, "bad"}, false, now_)), "stop a#1, fail 1 corrupt_data, fail 2 corrupt_data");
  EXPECT_EQ(acquire(3, "a"), "start a#2");   // the file may have been mended
  EXPECT_EQ(stopped(1), "");
}

TEST_F(CoreTest, CrashesAtLoadAreBackedOff) {
  acquire(1, "a");
  EXPECT_EQ(crash(1), "stop a#1, fail 1 unavailable | ");
  EXPECT_EQ(acquire(2, "a"), "start a#2");   // once may be chance
  EXPECT_EQ(crash(2), "stop a#2, fail 2 unavailable | ");
  EXPECT_EQ(acquire(3, "a"), "fail 3 unavailable");
  EXPECT_EQ(acquire(4, "b"), "start b#3");   // others are served
  now_ += 2s;
  EXPECT_EQ(acquire(5, "a"), "start a#4");
  EXPECT_EQ(crash(4), "stop a#4, fail 5 unavailable | ");
  now_ += 3s;
  EXPECT_EQ(acquire(6, "a"), "fail 6 unavailable");
  now_ += 1s;
  EXPECT_EQ(acquire(7, "a"), "start a#5");
  EXPECT_EQ(load_done(5), "grant 7 a#5");   // and all is forgiven
  say(core_.died(5, now_));
  stopped(5);
  EXPECT_EQ(acquire(8, "a"), "start a#6");
}

TEST_F(CoreTest, DeadRunnersAreReplaced) {
  acquire(1, "a");
  load_done(1);
  EXPECT_EQ(say(core_.died(1, now_)), "stop a#1");
  EXPECT_EQ(acquire(2, "a"), "start a#2");
  EXPECT_EQ(stopped(1), "");
  EXPECT_EQ(released(1), "");   // the lease of the dead one
  EXPECT_EQ(load_done(2), "grant 2 a#2");
}

// U03: a runner that dies again and again, and serves nobody in between, is not started without a pause.
TEST_F(CoreTest, DeathsInServiceAreBackedOff) {
  const auto again = [this](Core::Ticket ticket) {
    return say(core_.acquire({.ticket = ticket, .key = "a", .client = "", .keep_alive = {}, .again = true}, now_));
  };
  acquire(1, "a");
  load_done(1);
  EXPECT_EQ(say(core_.died(1, now_)), "stop a#1");
  stopped(1);
  EXPECT_EQ(again(2), "start a#2") << "once may be chance";
  released(1);
  load_done(2);
  EXPECT_EQ(say(core_.died(2, now_)), "stop a#2");
  stopped(2);
  EXPECT_EQ(acquire(3, "a"), "fail 3 unavailable");
  EXPECT_EQ(again(4), "") << "the second try of a request waits until the model has rested";
  EXPECT_EQ(core_.next_deadline(), now_ + 2s);
  now_ += 2s;
  EXPECT_EQ(tick(), "start a#3");
  EXPECT_EQ(core_.next_deadline(), now_ + 60s) << "that of the load";
  EXPECT_EQ(load_done(3), "grant 4 a#3");
  say(core_.released(3, "", 20, now_));   // served: all is forgiven
  say(core_.died(3, now_));
  stopped(3);
  EXPECT_EQ(acquire(5, "a"), "start a#4");
}

// What goes to GPUs is not weighed against the host's memory, and what they have is not promised twice.
TEST_F(CoreTest, GpusAreWeighedForThemselves) {
  Core core({.keep_alive = 10s, .max_loaded_models = 4});
  std::swap(core_, core);
  core_.set_free_bytes(1000);
  const auto want = [this](Core::Ticket ticket, const std::string& key, uint64_t bytes, int gpu_layers = -1) {
    return say(core_.acquire({.ticket = ticket, .key = key, .client = "", .keep_alive = {}, .need_bytes = bytes, .gpu_layers = gpu_layers}, now_));
  };
  EXPECT_EQ(want(1, "a", 9000), "start a#1") << "alone: its runner says what is lacking";
  core_.devices().found(1, "GPU-x", 10000);
  core_.devices().hold(1, "GPU-x", 6000);
  EXPECT_EQ(load_done(1), "grant 1 a#1");
  EXPECT_EQ(want(2, "b", 3000), "start b#2") << "more than the host has, and it goes to the GPU";
  EXPECT_EQ(core_.devices().free_bytes(), 1000U);
  EXPECT_EQ(want(3, "c", 900, 0), "start c#3") << "for the host alone";
  EXPECT_EQ(want(4, "d", 2000), "") << "the GPU is promised, and the only one who holds it is at work";
  core_.devices().found(2, "GPU-x", 4000);
  core_.devices().hold(2, "GPU-x", 2500);
  EXPECT_EQ(core_.devices().room_bytes(), 10000U);
  EXPECT_EQ(load_done(3), "grant 3 c#3");
  EXPECT_EQ(released(3), "") << "it holds nothing of a GPU: to end it would not help";
  EXPECT_EQ(load_done(2), "grant 2 b#2");
  EXPECT_EQ(released(1), "stop a#1");
  EXPECT_EQ(core_.devices().free_bytes(), 1500U) << "not before its process has ended";
  EXPECT_EQ(stopped(1), "start d#4");
  EXPECT_EQ(core_.devices().free_bytes(), 5500U) << "at once; two thousand of it promised";
  // One too large for the GPUs alone takes all of them, and the rest on the host.
  EXPECT_EQ(load_done(4), "grant 4 d#4");
  EXPECT_EQ(want(5, "e", 10500), "") << "who holds the GPU is at work";
}

// main_gpu: a model bound to one GPU is weighed against that GPU alone, and who uses another need not go for it.
TEST_F(CoreTest, AModelBoundToOneGpuIsWeighedAgainstThatOne) {
  Core core({.keep_alive = 100s, .max_loaded_models = 8});
  std::swap(core_, core);
  core_.set_free_bytes(1000);
  const auto want = [this](Core::Ticket ticket, const std::string& key, uint64_t bytes, const std::string& gpu) {
    return say(core_.acquire({.ticket = ticket, .key = key, .client = "", .keep_alive = {}, .need_bytes = bytes, .only_gpu = gpu}, now_));
  };
  EXPECT_EQ(want(1, "a", 6000, ""), "start a#1");
  core_.devices().found(1, "GPU-x", 8000);
  core_.devices().found(1, "GPU-y", 8000);
  core_.devices().hold(1, "GPU-x", 6000);
  EXPECT_EQ(load_done(1), "grant 1 a#1");
  now_ += 1s;
  EXPECT_EQ(want(2, "b", 5000, "GPU-y"), "start b#2") << "the other one has room";
  EXPECT_EQ(core_.devices().free_bytes("GPU-y"), 3000U);
  EXPECT_EQ(core_.devices().free_bytes("GPU-x"), 2000U) << "none of it was promised here";
  core_.devices().hold(2, "GPU-y", 5000);
  EXPECT_EQ(load_done(2), "grant 2 b#2");
  EXPECT_EQ(released(1) + released(2), "");
  // 5000 are free in all, and 3000 of them where they are wanted: who lies there goes, though used last.
  EXPECT_EQ(want(3, "c", 4000, "GPU-y"), "stop b#2");
  EXPECT_EQ(stopped(2), "start c#3");
  core_.devices().hold(3, "GPU-y", 4000);
  EXPECT_EQ(load_done(3), "grant 3 c#3");
  // What is promised on any device may come to lie on this one.
  EXPECT_EQ(want(4, "d", 3000, ""), "start d#4");
  EXPECT_EQ(core_.devices().free_bytes("GPU-y"), 1000U);
  // A device that is lost has no room: what is bound to it is its runner's to refuse.
  core_.devices().lost("GPU-y");
  EXPECT_EQ(core_.devices().room_bytes("GPU-y"), 0U);
  EXPECT_EQ(core_.devices().room_bytes(), 8000U);
}

// U08
TEST_F(CoreTest, OneThatDrainsFinishesItsWorkAndIsLoadedAnew) {
  acquire(1, "a");
  EXPECT_EQ(load_done(1), "grant 1 a#1");
  EXPECT_EQ(say(core_.drain(1, {ErrorCode::kInternal, "unsound"}, now_)), "");
  EXPECT_EQ(acquire(2, "a"), "") << "waits";
  const Core::Actions actions = core_.released(1, "", 5, now_);
  ASSERT_EQ(actions.size(), 1U);
  EXPECT_EQ(actions[0].kind, Kind::kStop);
  EXPECT_EQ(actions[0].status.message(), "unsound");
  EXPECT_EQ(stopped(1), "start a#2") << "not before the memory of the first is free";
  EXPECT_EQ(load_done(2), "grant 2 a#2");
  released(2);
  EXPECT_EQ(say(core_.drain(2, {ErrorCode::kInternal, "unsound"}, now_)), "stop a#2") << "an idle one goes at once";
  EXPECT_EQ(say(core_.drain(2, {}, now_)), "");
}

TEST_F(CoreTest, ALoadWithoutProgressTimesOut) {
  acquire(1, "a");
  now_ += 59s;
  EXPECT_EQ(say(core_.load_progress(1, now_)), "");
  now_ += 59s;
  EXPECT_EQ(tick(), "");
  EXPECT_EQ(core_.next_deadline(), now_ + 1s);
  now_ += 1s;
  EXPECT_EQ(tick(), "stop a#1, fail 1 unavailable");
}

TEST_F(CoreTest, ShutDown) {
  acquire(1, "a");
  load_done(1);
  acquire(2, "b");
  EXPECT_EQ(say(core_.shut_down(now_)), "fail 2 cancelled, stop a#1, stop b#2");
  EXPECT_EQ(acquire(3, "a"), "fail 3 cancelled");
  EXPECT_EQ(released(1), "");
  EXPECT_EQ(stopped(1), "");
  EXPECT_EQ(stopped(2), "");
}

// Any order of events: counts agree, every ticket ends exactly once, and nobody waits for ever.
TEST(CoreRandom, EveryTicketEndsOnceWhateverHappens) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    const int max_loaded = 1 + static_cast<int>(pick(3));
    Core core({.keep_alive = 5s, .max_loaded_models = max_loaded, .max_queue = 6, .n_parallel = static_cast<int>(pick(4)), .load_timeout = 60s});
    Core::TimePoint now{1000s};
    std::map<Core::InstanceId, std::string> loading;
    std::set<Core::InstanceId> ready, stopping;
    std::multimap<Core::InstanceId, Core::Ticket> leases;
    std::map<Core::Ticket, int> ends;
    Core::Ticket last = 0;
    const auto apply = [&](const Core::Actions& actions) {
      for (const Core::Action& action : actions) {
        switch (action.kind) {
          case Kind::kStart: loading[action.instance] = action.key; break;
          case Kind::kStop:
            loading.erase(action.instance);
            ready.erase(action.instance);
            EXPECT_TRUE(stopping.insert(action.instance).second);
            break;
          case Kind::kGrant:
            EXPECT_TRUE(ready.contains(action.instance) || loading.contains(action.instance)) << seed;
            leases.emplace(action.instance, action.ticket);
            ++ends[action.ticket];
            break;
          case Kind::kFail: ++ends[action.ticket]; break;
        }
      }
      ASSERT_TRUE(core.check_integrity()) << seed;
      ASSERT_LE(loading.size() + ready.size() + stopping.size(), static_cast<size_t>(max_loaded)) << seed;
    };
    const auto finish_load = [&](Core::InstanceId id) {
      loading.erase(id);
      ready.insert(id);
      apply(core.load_done(id, now));
    };
    for (int step = 0; step < 400; ++step) {
      now += std::chrono::milliseconds(pick(2000));
      switch (pick(9)) {
        case 0:
        case 1:
        case 2: {
          const std::optional<Core::Duration> keep[] = {std::nullopt, 0s, -1s, 2s};
          ends[++last] = 0;
          const int gpu_layers[] = {-1, -1, -1, 0, 99};
          apply(core.acquire({.ticket = last,
                              .key = std::string(1, static_cast<char>('a' + pick(5))),
                              .client = "",
                              .keep_alive = keep[pick(4)],
                              .gpu_layers = gpu_layers[pick(5)]},
                             now));
          break;
        }
        case 3:
          if (last > 0) apply(core.cancel(1 + pick(static_cast<uint32_t>(last)), now));
          break;
        case 4:
          if (!loading.empty()) finish_load(std::next(loading.begin(), pick(static_cast<uint32_t>(loading.size())))->first);
          break;
        case 5:
          if (!leases.empty()) {
            const auto lease = std::next(leases.begin(), pick(static_cast<uint32_t>(leases.size())));
            const Core::InstanceId id = lease->first;
            leases.erase(lease);
            apply(core.released(id, "", 0, now));
          }
          break;
        case 6:
          if (!stopping.empty()) {
            const Core::InstanceId id = *stopping.begin();
            stopping.erase(id);
            apply(core.stopped(id, now));
          }
          break;
        case 7:
          if (!ready.empty() && pick(4) == 0) {
            apply(core.died(*std::next(ready.begin(), pick(static_cast<uint32_t>(ready.size()))), now));
          } else if (!loading.empty() && pick(4) == 0) {
            apply(core.load_failed(loading.begin()->first, {ErrorCode::kUnavailable, "x"}, pick(2) == 0, now));
          } else {
            apply(core.unload(std::string(1, static_cast<char>('a' + pick(5))), now));
          }
          break;
        case 8: apply(core.tick(now)); break;
      }
    }
    // Everything comes to rest: loads finish, leases return, processes end.
    for (int round = 0; round < 1000 && (core.n_waiting() > 0 || !leases.empty() || !loading.empty() || !stopping.empty()); ++round) {
      now += 1s;
      apply(core.tick(now));   // models that crashed have rested at last
      if (!loading.empty()) finish_load(loading.begin()->first);
      if (!leases.empty()) {
        const Core::InstanceId id = leases.begin()->first;
        leases.erase(leases.begin());
        apply(core.released(id, "", 0, now));
      }
      if (!stopping.empty()) {
        const Core::InstanceId id = *stopping.begin();
        stopping.erase(id);
        apply(core.stopped(id, now));
      }
    }
    ASSERT_EQ(core.n_waiting(), 0U) << seed;
    for (const auto& [ticket, n] : ends) ASSERT_EQ(n, 1) << "seed " << seed << " ticket " << ticket;
  }
}

}  // namespace
}  // namespace da::scheduler
