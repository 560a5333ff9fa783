// What may happen to a request on its way: its turn, a reader that lags, a context that is full, an early end.
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "engine/step_budget.h"
#include "engine/support.h"

namespace da::engine {
namespace {

using namespace std::chrono_literals;
using test::Answer;
using test::generate;
using test::greedy;
using test::load_stories;
using test::Pending;
using Clock = std::chrono::steady_clock;

std::vector<int32_t> story_tokens(size_t n) {
  const auto stories = nlohmann::json::parse(test::golden_bytes("stories/stories260K.json"));
  auto tokens = stories["perplexity"]["token_ids"].get<std::vector<int32_t>>();
  tokens.resize(n);
  return tokens;
}

template <class Condition>
bool wait_until(Condition condition, std::chrono::milliseconds most = 5s) {
  for (const auto end = Clock::now() + most; Clock::now() < end; std::this_thread::sleep_for(1ms)) {
    if (condition()) return true;
  }
  return condition();
}

TEST(Shift, GoesOnWithoutHalfOfWhatMayGoAsIfTheRestHadBeenTheText) {
  auto loaded = load_stories({});
  const auto prompt = story_tokens(40);
  GenerateRequest request{
      .prompt = prompt, .sampling = greedy(), .max_tokens = 30, .context_tokens = 64, .shift = true, .keep_tokens = 4};
  std::promise<Update> ended;
  std::vector<int32_t> tokens;
  ASSERT_TRUE(loaded.engine
                  ->submit(request,
                           [&](const Update& update) {
                             tokens.insert(tokens.end(), update.tokens.begin(), update.tokens.end());
                             if (update.kind == Update::Kind::kFinished) ended.set_value(update);
                           })
                  .is_ok());
  const Update end = ended.get_future().get();
  EXPECT_EQ(end.reason, FinishReason::kLength);
  EXPECT_EQ(end.generated_tokens, 30);
  EXPECT_EQ(end.shifted_tokens, 30) << "once, at 64: half of 60";
  EXPECT_EQ(end.prompt_tokens_total, 40);
  // Until then as without a shift.
  request.shift = false;
  const Answer fixed = generate(*loaded.engine, request);
  ASSERT_EQ(fixed.tokens.size(), 24U);
  EXPECT_EQ(std::vector(tokens.begin(), tokens.begin() + 24), fixed.tokens);
  EXPECT_EQ(fixed.reason, FinishReason::kLength);
  // And from then on as after a prompt of what was kept.
  auto kept = prompt;
  kept.insert(kept.end(), fixed.tokens.begin(), fixed.tokens.end());
  kept.erase(kept.begin() + 4, kept.begin() + 34);
  const Answer rest = generate(*loaded.engine, {.prompt = kept, .sampling = greedy(), .max_tokens = 6});
  EXPECT_EQ(std::vector(tokens.begin() + 24, tokens.end()), rest.tokens);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
}

TEST(Shift, AsOftenAsItTakes) {
  auto loaded = load_stories({.max_sequences = 2});
  for (const int32_t keep : {0, 7, 1000}) {
    std::promise<Update> ended;
    ASSERT_TRUE(loaded.engine
                    ->submit({.prompt = story_tokens(20),
                              .sampling = {.temperature = 1.2F, .seed = 3},
                              .max_tokens = 500,
                              .context_tokens = 32,
                              .shift = true,
                              .keep_tokens = keep},
                             [&](const Update& update) {
                               if (update.kind == Update::Kind::kFinished) ended.set_value(update);
                             })
                    .is_ok());
    const Update end = ended.get_future().get();
    EXPECT_TRUE(end.generated_tokens == 500 || end.reason == FinishReason::kStop) << keep;
    EXPECT_GE(20 + end.generated_tokens - end.shifted_tokens, std::min(keep, 16)) << keep;
    EXPECT_LE(20 + end.generated_tokens - end.shifted_tokens, 32) << keep;
  }
  EXPECT_EQ(loaded.engine->stats().pages_in_use, 0);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
}

// Told once each time nothing is left to do, with counts that are true then.
TEST(Rest, IsToldOnce) {
  auto loaded = load_stories({.max_sequences = 2});
  std::atomic<int> rests{0};
  std::atomic<bool> was_true{true};
  loaded.engine->set_on_rest([&] {
    const EngineStats stats = loaded.engine->stats();
    if (stats.running != stats.held || stats.waiting != 0 || (stats.running == 0 && stats.pages_in_use != 0))
      was_true = false;
    ++rests;
  });
  (void)generate(*loaded.engine, {.prompt = story_tokens(40), .sampling = greedy(), .max_tokens = 5});
  ASSERT_TRUE(wait_until([&] { return rests == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(rests, 1);
  Pending endless;
  const auto id = loaded.engine->submit(
      {.prompt = story_tokens(40), .sampling = greedy(), .max_tokens = 100000, .ignores_end = true, .shift = true},
      endless.callback());
  ASSERT_TRUE(id.is_ok());
  loaded.engine->hold(*id, true);
  ASSERT_TRUE(wait_until([&] { return rests == 2; }));
  EXPECT_EQ(loaded.engine->stats().held, 1);
  loaded.engine->cancel(*id);
  (void)endless.wait();
  ASSERT_TRUE(wait_until([&] { return rests == 3; }));
  EXPECT_EQ(loaded.engine->stats().running, 0);
  EXPECT_TRUE(was_true);
}

TEST(Priority, TheHigherGoesFirst) {
  auto loaded = load_stories({.max_sequences = 1});
  std::mutex mutex;
  std::vector<int> order;
  std::vector<Pending> pending(4);
  std::vector<UpdateCallback> callbacks;
  for (int i = 0; i < 4; ++i) {
    callbacks.push_back([&, i, callback = pending[static_cast<size_t>(i)].callback()](const Update& update) {
      if (update.kind == Update::Kind::kFinished) {
        const std::lock_guard lock(mutex);
        order.push_back(i);
      }
      callback(update);
    });
  }
  const int32_t priorities[] = {0, -1, 0, 1};
  std::atomic<bool> started = false, let_go = false;  // the first keeps the engine busy until the others wait
  const auto first = callbacks[0];
  callbacks[0] = [&](const Update& update) {
    started = true;
    while (!let_go) std::this_thread::sleep_for(1ms);
    first(update);
  };
  for (size_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(
        loaded.engine
            ->submit({.prompt = story_tokens(10), .sampling = greedy(), .max_tokens = 5, .priority = priorities[i]},
                     callbacks[i])
            .is_ok());
    ASSERT_TRUE(wait_until([&] { return started.load(); }));
  }
  let_go = true;
  for (Pending& one : pending) one.wait();
  EXPECT_EQ(order, (std::vector{0, 3, 2, 1}));
}

TEST(Hold, OneThatIsHeldWaitsWithoutItsPlaceAndGoesOnAlike) {
  auto loaded = load_stories({.max_sequences = 1});
  const GenerateRequest request{.prompt = story_tokens(20), .sampling = greedy(), .max_tokens = 100};
  const Answer alone = generate(*loaded.engine, request);
  Pending held;
  std::atomic<int> n_tokens = 0;
  std::atomic<bool> let_go = false;
  const auto id = loaded.engine->submit(request, [&, callback = held.callback()](const Update& update) {
    n_tokens += static_cast<int>(update.tokens.size());
    callback(update);
    // Until the hold was said: else it might be through before.
    while (n_tokens >= 5 && !let_go) std::this_thread::sleep_for(1ms);
  });
  ASSERT_TRUE(wait_until([&] { return n_tokens >= 5; }));
  loaded.engine->hold(*id, true);
  let_go = true;
  ASSERT_TRUE(wait_until([&] { return loaded.engine->stats().held == 1; }));
  const int at_hold = n_tokens;
  // The only place is free for others, and whoever is held costs no time.
  EXPECT_EQ(generate(*loaded.engine, request).tokens, alone.tokens);
  const int64_t steps = loaded.engine->stats().steps;
  std::this_thread::sleep_for(20ms);
  EXPECT_LE(loaded.engine->stats().steps, steps + 1) << "the last one is counted after its answer was given";
  EXPECT_EQ(n_tokens, at_hold);
  loaded.engine->hold(*id, false);
  EXPECT_EQ(held.wait().tokens, alone.tokens);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
}

// It may come back while another has its place: then there are more than take part in a step.
TEST(Hold, ComesBackBesideTheOneThatTookItsPlace) {
  auto loaded = load_stories({.max_sequences = 1});
  const GenerateRequest request{.prompt = story_tokens(20), .sampling = greedy(), .max_tokens = 60};
  const Answer alone = generate(*loaded.engine, request);
  for (int round = 0; round < 5; ++round) {
    Pending held, other;
    std::atomic<bool> begun = false, let_go = false;
    const auto id = loaded.engine->submit(request, [&, callback = held.callback()](const Update& update) {
      callback(update);
      begun = true;
      while (!let_go) std::this_thread::sleep_for(1ms);
    });
    ASSERT_TRUE(wait_until([&] { return begun.load(); }));
    loaded.engine->hold(*id, true);
    let_go = true;
    ASSERT_TRUE(wait_until([&] { return loaded.engine->stats().held == 1; }));
    std::atomic<bool> other_begun = false, other_let_go = false;
    ASSERT_TRUE(loaded.engine
                    ->submit(request,
                             [&, callback = other.callback()](const Update& update) {
                               callback(update);
                               other_begun = true;
                               while (!other_let_go) std::this_thread::sleep_for(1ms);
                             })
                    .is_ok());
    ASSERT_TRUE(wait_until([&] { return other_begun.load(); }));
    loaded.engine->hold(*id, false);
    other_let_go = true;
    EXPECT_EQ(held.wait().tokens, alone.tokens);
    EXPECT_EQ(other.wait().tokens, alone.tokens);
  }
}

TEST(Hold, GivesItsPagesToWhoNeedsThem) {
  auto loaded = load_stories({.max_sequences = 2, .pool_tokens = 512, .retained_tokens = 0});
  const GenerateRequest request{.prompt = story_tokens(300), .sampling = greedy(), .max_tokens = 100};
  const Answer alone = generate(*loaded.engine, request);
  Pending held;
  std::atomic<bool> begun = false, let_go = false;
  const auto id = loaded.engine->submit(request, [&, callback = held.callback()](const Update& update) {
    callback(update);
    begun = true;
    while (!let_go) std::this_thread::sleep_for(1ms);
  });
  ASSERT_TRUE(wait_until([&] { return begun.load(); }));
  loaded.engine->hold(*id, true);
  let_go = true;
  GenerateRequest other = request;
  other.name_space = "other";  // shares nothing
  EXPECT_EQ(generate(*loaded.engine, other).tokens, alone.tokens);
  EXPECT_GT(loaded.engine->stats().preemptions, 0);
  loaded.engine->hold(*id, false);
  EXPECT_EQ(held.wait().tokens, alone.tokens);
}

// H11: in every state, and its pages are free then.
TEST(Cancel, FreesEverythingWithinATenthOfASecond) {
  auto loaded = load_stories({.max_sequences = 1, .retained_tokens = 0});
  enum class State { kWaiting, kPrefill, kDecode, kHeld };
  for (const State state : {State::kWaiting, State::kPrefill, State::kDecode, State::kHeld}) {
    Pending other, cancelled;
    if (state == State::kWaiting) {
      ASSERT_TRUE(
          loaded.engine->submit({.prompt = story_tokens(10), .sampling = greedy(), .max_tokens = 480}, other.callback())
              .is_ok());
    }
    std::atomic<bool> decoding = false;
    const auto id = loaded.engine->submit({.prompt = story_tokens(500),
                                           .sampling = {.temperature = 1.5F, .seed = 1},
                                           .max_tokens = 100000,
                                           .context_tokens = 512,
                                           .shift = true},
                                          [&, callback = cancelled.callback()](const Update& update) {
                                            if (update.kind == Update::Kind::kText) decoding = true;
                                            callback(update);
                                          });
    if (state == State::kDecode || state == State::kHeld) {
      ASSERT_TRUE(wait_until([&] { return decoding.load(); }));
    }
    if (state == State::kHeld) {
      loaded.engine->hold(*id, true);
      ASSERT_TRUE(wait_until([&] { return loaded.engine->stats().held == 1; }));
    }
    const auto begun = Clock::now();
    loaded.engine->cancel(*id);
    EXPECT_EQ(cancelled.wait().reason, FinishReason::kCancelled);
    EXPECT_LT(Clock::now() - begun, 100ms) << static_cast<int>(state);
    if (state == State::kWaiting) {
      other.wait();
    } else {
      EXPECT_EQ(loaded.engine->stats().pages_in_use, 0);
    }
  }
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
}

TEST(Cancel, AStepGivenUpForOneIsDoneAgainForTheOthers) {
  auto loaded = load_stories({.max_sequences = 3, .retained_tokens = 0});
  const GenerateRequest request{.prompt = story_tokens(200), .sampling = greedy(), .max_tokens = 20};
  const Answer alone = generate(*loaded.engine, request);
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    Pending stays, goes;
    GenerateRequest other{.prompt = story_tokens(400), .sampling = greedy(), .max_tokens = 50, .name_space = "other"};
    ASSERT_TRUE(loaded.engine->submit(request, stays.callback()).is_ok());
    const auto id = loaded.engine->submit(other, goes.callback());
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 15000));
    loaded.engine->cancel(*id);
    goes.wait();
    ASSERT_EQ(stays.wait().tokens, alone.tokens) << round;
    ASSERT_TRUE(loaded.engine->check_integrity().is_ok());
  }
}

// A step is a line: 10 ms and 1 ms a row.
double step_seconds(int32_t n_rows) { return 0.010 + 0.001 * n_rows; }

TEST(StepBudget, LearnsWhatFitsIntoTheTarget) {
  StepBudget budget(512);
  EXPECT_EQ(budget.rows(1, 0), 512);
  budget.set_target_seconds(0.050);
  EXPECT_EQ(budget.rows(3, 3), 3 + StepBudget::kUnknownRows) << "nothing is known";
  for (int i = 0; i < 40; ++i) {
    const int32_t n_rows = budget.rows(3, 3);
    budget.observe(n_rows, step_seconds(n_rows));
    if (i > 5) {
      EXPECT_LE(step_seconds(n_rows), 0.055) << i;
    }
    budget.observe(3, step_seconds(3));
  }
  EXPECT_NEAR(budget.rows(3, 3), 40, 3);
  EXPECT_EQ(budget.rows(1, 0), 512) << "nobody waits for a token, and it takes less than a second";
  EXPECT_EQ(budget.rows(100, 100), 116) << "prompts go on however many write";
  EXPECT_TRUE(budget.has_room_for_one_more(35));
  EXPECT_FALSE(budget.has_room_for_one_more(45));
  EXPECT_TRUE(budget.has_room_for_one_more(0));
  budget.set_target_seconds(0);
  EXPECT_TRUE(budget.has_room_for_one_more(45));
  EXPECT_EQ(budget.rows(3, 3), 512);
}

TEST(StepBudget, NoStepIsLongerThanASecondBesideOthers) {
  StepBudget budget(512);
  for (int i = 0; i < 20; ++i) {
    const int32_t n_rows = budget.rows(1, 1);
    budget.observe(n_rows, 0.2 + 0.01 * n_rows);
    budget.observe(1, 0.21);
  }
  EXPECT_NEAR(budget.rows(1, 1), 80, 4);
  EXPECT_NEAR(budget.rows(2, 0), 80, 4) << "another prompt waits";
  EXPECT_NEAR(budget.rows(1, 0), 280, 12) << "a prompt alone may take three seconds";
}

}  // namespace
}  // namespace da::engine
