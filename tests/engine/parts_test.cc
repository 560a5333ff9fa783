// The engine's small parts on their own.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>

#include "engine/client_shares.h"
#include "engine/output_text.h"
#include "engine/page_allocator.h"
#include "engine/sampler.h"
#include "engine/step_plan.h"

namespace da::engine {
namespace {

TEST(PageAllocator, CountsReferencesAndFindsWhatIsLost) {
  PageAllocator pages(3);
  const int32_t a = pages.allocate(), b = pages.allocate(), c = pages.allocate();
  EXPECT_EQ(pages.allocate(), -1);
  EXPECT_TRUE(pages.check_integrity({a, b, c}).is_ok());
  EXPECT_FALSE(pages.check_integrity({a, b}).is_ok()) << "c is lost";
  EXPECT_FALSE(pages.check_integrity({a, b, c, c}).is_ok()) << "c has two owners";
  EXPECT_FALSE(pages.check_integrity({a, b, c, 7}).is_ok());
  pages.retain(b);
  pages.release(b);
  EXPECT_EQ(pages.n_used(), 3);
  pages.release(b);
  EXPECT_EQ(pages.n_used(), 2);
  EXPECT_EQ(pages.allocate(), b) << "used pages come first";
  EXPECT_EQ(pages.n_touched(), 3);
}

TEST(StepPlan, DecodesFirstAndCutsPrompts) {
  const std::vector<PendingRows> pending = {{100, true}, {1, false}, {30, true}, {5, false}};
  const auto plan = [&](int32_t most) {
    return plan_step(pending, std::vector<int64_t>{0}, {.most = most, .shared = most});
  };
  EXPECT_EQ(plan(16), (std::vector<int32_t>{10, 1, 0, 5}));
  EXPECT_EQ(plan(3), (std::vector<int32_t>{0, 1, 0, 2}));
  EXPECT_EQ(plan(512), (std::vector<int32_t>{100, 1, 30, 5}));
  EXPECT_TRUE(plan_step({}, {}, {.most = 8, .shared = 8}).empty());
}

TEST(StepPlan, PromptsOfTheLeastServedFirst) {
  const auto plan = [](const std::vector<PendingRows>& pending, const std::vector<int64_t>& served, StepRows limits) {
    return plan_step(pending, served, limits);
  };
  using Rows = std::vector<int32_t>;
  // Client 1 had less: all of its short prompt, then turns of a page.
  EXPECT_EQ(plan({{1000, true, 0}, {40, true, 1}}, {500, 0}, {.most = 256, .shared = 64}), (Rows{24, 40}));
  EXPECT_EQ(plan({{1000, true, 0}, {1000, true, 1}}, {100, 0}, {.most = 512, .shared = 300}), (Rows{104, 196}));
  // A prompt within what it is behind may fill the step; a longer one shares it as long as others write.
  EXPECT_EQ(plan({{1, false, 0}, {400, true, 1}}, {500, 0}, {.most = 512, .shared = 20}), (Rows{1, 400}));
  EXPECT_EQ(plan({{1, false, 0}, {400, true, 1}}, {399, 0}, {.most = 512, .shared = 20}), (Rows{1, 19}));
  EXPECT_EQ(plan({{1, false, 0}, {400, true, 0}}, {399}, {.most = 512, .shared = 20}), (Rows{1, 400})) << "alone";
  // Priority goes before shares.
  EXPECT_EQ(plan({{1000, true, 0, 1}, {40, true, 1, 0}}, {500, 0}, {.most = 64, .shared = 64}), (Rows{64, 0}));
}

TEST(StepPlan, WritersLeaveAStepToShortUrgentPrompts) {
  std::vector<PendingRows> pending(9, {1, false, 0});
  const std::vector<int64_t> served = {500, 0};
  EXPECT_FALSE(should_pause_writers(pending, served));
  pending.push_back({40, true, 1});
  EXPECT_TRUE(should_pause_writers(pending, served));
  pending.back().n_rows = 72;
  EXPECT_FALSE(should_pause_writers(pending, served)) << "nine rows more are not much";
  pending.back().n_rows = 40;
  EXPECT_FALSE(should_pause_writers(pending, std::vector<int64_t>{30, 0})) << "it had its share";
}

TEST(StepPlan, StepsAreGivenUpForNewcomersWhileLittleIsLost) {
  using namespace std::chrono_literals;
  EXPECT_TRUE(is_worth_giving_up(1s, 3s, 0s, 10s));
  EXPECT_FALSE(is_worth_giving_up(1s, 4ms, 0s, 10s)) << "it is over soon";
  EXPECT_FALSE(is_worth_giving_up(1s, -1s, 0s, 10s));
  EXPECT_FALSE(is_worth_giving_up(1s, 3s, 100ms, 10s)) << "a tenth is lost";
  EXPECT_TRUE(is_worth_giving_up(100ms, 3s, 900ms, 10s));
}

TEST(ClientShares, NewcomersAreALittleAheadAndDebtsAreRemembered) {
  ClientShares shares;
  const auto step = [&](std::initializer_list<const char*> present) {
    shares.begin_step();
    for (const char* client : present) shares.present(client);
    shares.end_of_present();
  };
  step({"heavy"});
  shares.charge("heavy", 10000);
  step({"heavy", "light"});
  EXPECT_EQ(shares.served("light"), 10000 - ClientShares::kNewcomerTokens);
  shares.charge("light", 600);
  step({"heavy"});
  step({"heavy", "light"});
  EXPECT_EQ(shares.served("light"), 10600 - ClientShares::kNewcomerTokens) << "coming back makes nobody new";
  step({"heavy"});
  shares.charge("heavy", 5000);
  step({"heavy", "light"});
  EXPECT_EQ(shares.served("light"), 15000 - ClientShares::kNewcomerTokens) << "nor does absence earn more";
  step({});
  step({"light"});
  EXPECT_EQ(shares.served("light"), 0);
  EXPECT_EQ(shares.n_known(), 1U) << "debts end when nobody is there";
}

TEST(OutputText, HoldsBackOnlyWhatMayBecomeAStop) {
  OutputText text({"</end>", "STOP"});
  EXPECT_FALSE(text.push("ab<"));
  EXPECT_EQ(text.take(), "ab");
  EXPECT_FALSE(text.push("/en"));
  EXPECT_EQ(text.take(), "");
  EXPECT_FALSE(text.push("x"));
  EXPECT_EQ(text.take(), "</enx");
  EXPECT_FALSE(text.push("yS"));
  EXPECT_FALSE(text.push("TO"));
  EXPECT_EQ(text.take(), "y");
  EXPECT_TRUE(text.push("P rest"));
  text.finish();
  EXPECT_EQ(text.take(), "");
}

TEST(OutputText, TakesTheEarliestStopAndSurvivesOverlaps) {
  OutputText text({"bcd", "ab"});
  EXPECT_TRUE(text.push("xabcd"));
  EXPECT_EQ(text.take(), "x");
  OutputText again({"aab"});
  EXPECT_FALSE(again.push("aaa"));
  EXPECT_EQ(again.take(), "a");
  EXPECT_TRUE(again.push("b"));
  EXPECT_EQ(again.take(), "");
}

TEST(OutputText, TheStopThatIsCompleteFirstCounts) {
  for (const size_t piece : {1, 2, 6}) {  // whatever the pieces
    OutputText text({"abcd", "bc"});
    const std::string answer = "xxabcd";
    for (size_t at = 0; at < answer.size(); at += piece) {
      if (text.push(std::string_view(answer).substr(at, piece))) break;
    }
    text.finish();
    EXPECT_EQ(text.take(), "xxa") << piece;
  }
}

TEST(OutputText, JoinsBytesToCharacters) {
  OutputText text({"。"});
  EXPECT_FALSE(text.push("\xE4\xBD"));
  EXPECT_EQ(text.take(), "");
  EXPECT_FALSE(text.push("\xA0\xE3\x80"));
  EXPECT_EQ(text.take(), "你");
  EXPECT_TRUE(text.push("\x82"));
  OutputText broken({});
  EXPECT_FALSE(broken.push("\xE4\xBD"));
  broken.finish();
  EXPECT_EQ(broken.take(), "\xEF\xBF\xBD");
}

TEST(Sampler, GreedyTakesTheLowestOfEqualsWithinTheMask) {
  Sampler sampler({.temperature = 0});
  std::vector<float> logits = {1, 3, 3, 2};
  EXPECT_EQ(sampler.sample(logits, {}, {}), 1);
  const std::vector<uint64_t> mask = {0b1100};
  EXPECT_EQ(sampler.sample(logits, mask, {}), 2);
  const std::vector<uint64_t> nothing = {0};
  EXPECT_EQ(sampler.sample(logits, nothing, {}), -1);
  logits[0] = NAN;
  EXPECT_EQ(sampler.sample(logits, {}, {}), -1);
  logits[0] = INFINITY;
  EXPECT_EQ(sampler.sample(logits, {}, {}), -1);
}

TEST(Sampler, RefusesWhatIsNoNumberAnywhere) {
  for (const size_t n : {1U, 64U, 65U, 1000U}) {
    for (const size_t at : {size_t{0}, n / 2, n - 1}) {
      for (const float bad : {NAN, INFINITY, -INFINITY}) {
        std::vector<float> logits(n, 1);
        logits[at] = bad;
        const std::vector<uint64_t> mask((n + 63) / 64, 0x0F0F);
        for (const float penalty : {1.0F, 1.5F}) {
          Sampler sampler({.repeat_penalty = penalty});
          EXPECT_EQ(sampler.sample(logits, {}, {}), -1) << bad << " at " << at << " of " << n;
          EXPECT_EQ(sampler.sample(logits, mask, {}), -1) << bad << " at " << at << " of " << n << ", masked";
        }
      }
    }
  }
}

TEST(Sampler, PenaltiesMayBeAsLargeAsTheyLike) {
  const std::vector<float> logits = {5, 4, -3};
  const std::vector<int32_t> history = {0, 0, 0};
  for (const float huge : {3e38F, -3e38F}) {
    Sampler sampler({.temperature = 0, .frequency_penalty = huge});
    EXPECT_EQ(sampler.sample(logits, {}, history), huge > 0 ? 1 : 0);
  }
  Sampler tiny({.temperature = 0, .repeat_penalty = 1e-38F, .presence_penalty = 3e38F, .frequency_penalty = 3e38F});
  EXPECT_GE(tiny.sample(logits, {}, history), 0);
}

TEST(Sampler, PenalizesWhatTheWindowHolds) {
  const std::vector<int32_t> history = {0, 1, 1, 2};
  const auto best = [&](SamplingParams params, std::vector<float> logits) {
    params.temperature = 0;
    return Sampler(params).sample(logits, {}, history);
  };
  EXPECT_EQ(best({.repeat_penalty = 2}, {4, 3.9F, 3.8F, 2.1F}), 3);
  EXPECT_EQ(best({.repeat_penalty = 2, .repeat_last_n = 3}, {4, 3.9F, 3.8F, 2.1F}), 0);
  EXPECT_EQ(best({.repeat_penalty = 2, .repeat_last_n = 0}, {4, 5, 3.8F, 2.1F}), 1);
  EXPECT_EQ(best({.repeat_penalty = 2}, {-1, -1, -1, -1.5F}), 3) << "a negative logit is multiplied";
  EXPECT_EQ(best({.presence_penalty = 1}, {4, 4.1F, 4.2F, 3.3F}), 3);
  EXPECT_EQ(best({.frequency_penalty = 1}, {4, 5.1F, 3, 1}), 1);
  EXPECT_EQ(best({.frequency_penalty = 1.2F}, {4, 5.1F, 3, 1}), 0);
}

// Frequencies of 20,000 draws.
std::map<int32_t, double> draw(SamplingParams params, const std::vector<float>& logits) {
  Sampler sampler(params);
  std::map<int32_t, double> counts;
  for (int i = 0; i < 20000; ++i) {
    std::vector<float> scratch = logits;
    counts[sampler.sample(scratch, {}, {})] += 1.0 / 20000;
  }
  return counts;
}

// Against sorting everything, with equals at the edge and masks of every kind.
TEST(Sampler, TopKKeepsTheBest) {
  std::mt19937 random(7);
  for (const size_t n : {1U, 3U, 63U, 64U, 65U, 200U, 1000U, 5003U}) {
    for (const int mask_kind : {0, 1, 2}) {
      std::vector<float> logits(n);
      for (float& logit : logits) logit = static_cast<float>(random() % (n / 4 + 1)) / 8;
      std::vector<uint64_t> mask((n + 63) / 64, ~uint64_t{0});
      for (uint64_t& word : mask) {
        if (mask_kind == 2 || random() % 3 == 0) word = (uint64_t{random()} << 32) | random();
      }
      std::vector<int32_t> ids;
      for (size_t id = 0; id < n; ++id) {
        if (mask_kind == 0 || (mask[id / 64] >> (id % 64) & 1) != 0) ids.push_back(static_cast<int32_t>(id));
      }
      std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
        return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
      });
      for (const size_t k : {1U, 5U, 40U}) {
        const std::set<int32_t> best(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(std::min(k, ids.size())));
        // So hot that all are as likely as each other.
        Sampler sampler({.temperature = 1000, .top_k = static_cast<int32_t>(k), .top_p = 1, .seed = 3});
        std::set<int32_t> drawn;
        for (int i = 0; i < 600; ++i) {
          std::vector<float> scratch = logits;
          drawn.insert(sampler.sample(scratch, mask_kind == 0 ? std::span<const uint64_t>() : mask, {}));
        }
        if (best.empty()) continue;
        EXPECT_EQ(drawn, best) << n << " logits, the best " << k;
      }
    }
  }
}

// From a device come the largest alone, in any order: the draws are those from all.
TEST(Sampler, DrawsTheSameFromTheLargestAlone) {
  std::mt19937 random(9);
  for (const size_t n : {1U, 30U, 200U, 5003U}) {
    for (const SamplingParams& params :
         {SamplingParams{.seed = 5}, SamplingParams{.top_k = 5, .top_p = 1, .min_p = 0.1F, .seed = 6},
          SamplingParams{.temperature = 2, .top_k = 100, .top_p = 0.99F, .seed = 7}}) {
      Sampler from_all(params), from_largest(params);
      ASSERT_EQ(from_all.n_candidates(), params.top_k);
      for (int i = 0; i < 50; ++i) {
        std::vector<float> logits(n);
        for (float& logit : logits) logit = static_cast<float>(random() % (n / 4 + 1)) / 8;  // with many equals
        std::vector<backend::Candidate> largest;
        for (size_t id = 0; id < n; ++id) largest.push_back({static_cast<int32_t>(id), logits[id]});
        std::stable_sort(largest.begin(), largest.end(), [](auto& a, auto& b) { return a.value > b.value; });
        largest.resize(std::min(n, static_cast<size_t>(params.top_k) + random() % 3));
        std::shuffle(largest.begin(), largest.end(), random);
        ASSERT_EQ(from_all.sample(logits, {}, {}), from_largest.sample(largest)) << n << " " << i;
      }
    }
  }
  Sampler sampler(SamplingParams{});
  EXPECT_EQ(sampler.sample(std::vector<backend::Candidate>{{-1, 0}}), -1);
  EXPECT_EQ(Sampler({.repeat_penalty = 1.1F}).n_candidates(), 0);
  EXPECT_EQ(Sampler({.top_k = 0}).n_candidates(), 0);
}

TEST(Sampler, DrawsByProbability) {
  const std::vector<float> logits = {std::log(0.5F), std::log(0.25F), std::log(0.15F), std::log(0.1F)};
  SamplingParams plain{.temperature = 1, .top_k = 0, .top_p = 1, .seed = 42};
  auto counts = draw(plain, logits);
  EXPECT_NEAR(counts[0], 0.5, 0.02);
  EXPECT_NEAR(counts[3], 0.1, 0.02);
  SamplingParams top_k = plain;
  top_k.top_k = 2;
  counts = draw(top_k, logits);
  EXPECT_EQ(counts.size(), 2U);
  EXPECT_NEAR(counts[0], 2.0 / 3, 0.02);
  SamplingParams top_p = plain;
  top_p.top_p = 0.8F;  // 0.5 + 0.25 is not enough, the third is
  EXPECT_EQ(draw(top_p, logits).size(), 3U);
  SamplingParams min_p = plain;
  min_p.min_p = 0.4F;
  EXPECT_EQ(draw(min_p, logits).size(), 2U);
  SamplingParams hot = plain;
  hot.temperature = 0.5F;  // squares the odds
  EXPECT_NEAR(draw(hot, logits)[0] / draw(hot, logits)[1], 4.0, 0.4);
}

TEST(Sampler, RepeatsItselfWithASeed) {
  std::vector<float> logits(1000);
  std::mt19937 random(1);
  for (float& logit : logits) logit = static_cast<float>(random() % 1000) / 100;
  const auto run = [&](int64_t seed) {
    Sampler sampler({.temperature = 1, .seed = seed});
    std::vector<int32_t> ids;
    for (int i = 0; i < 50; ++i) {
      std::vector<float> scratch = logits;
      ids.push_back(sampler.sample(scratch, {}, {}));
    }
    return ids;
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
  EXPECT_NE(run(-1), run(-1));
}

}  // namespace
}  // namespace da::engine
