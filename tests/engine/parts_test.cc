// The engine's small parts on their own.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

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
  EXPECT_EQ(plan_step(pending, 16), (std::vector<int32_t>{10, 1, 0, 5}));
  EXPECT_EQ(plan_step(pending, 3), (std::vector<int32_t>{0, 1, 0, 2}));
  EXPECT_EQ(plan_step(pending, 512), (std::vector<int32_t>{100, 1, 30, 5}));
  EXPECT_TRUE(plan_step({}, 8).empty());
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
