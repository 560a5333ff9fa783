// U04: which GPUs are lost, what that means for loads, and when they are looked for again.
#include "scheduler/gpu_watch.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace da::scheduler {
namespace {

using namespace std::chrono_literals;
using runner::GpuReport;

GpuReport report(const std::vector<runner::GpuSight>& gpus) { return {.gpus = gpus, .none = "", .driver_fault = ""}; }
const runner::GpuSight kA{"GPU-a", "One", ""}, kB{"GPU-b", "Two", ""};

class GpuWatchTest : public ::testing::Test {
 protected:
  // "a:why b:" of the changes: lost and why, or there again.
  static std::string say(const std::vector<GpuWatch::Change>& changes) {
    std::string text;
    for (const auto& change : changes) text += change.uuid + ":" + change.trouble + " ";
    return text;
  }
  ErrorCode may(GpuLoss policy) { return watch_.may_load(policy).code(); }

  GpuWatch watch_;
  GpuWatch::TimePoint now_{1000s};
};

TEST_F(GpuWatchTest, NothingIsKnownBeforeARunnerHasLooked) {
  EXPECT_FALSE(watch_.is_degraded());
  EXPECT_EQ(watch_.uuid_of(0), "");
  EXPECT_EQ(say(watch_.saw_all(GpuReport{.gpus = {}, .none = "no GPU: the driver shows none", .driver_fault = ""}, now_)), "");
  EXPECT_FALSE(watch_.is_degraded()) << "a machine without GPUs is whole";
  EXPECT_EQ(watch_.why_none(), "no GPU: the driver shows none");
  EXPECT_FALSE(watch_.next_probe());
}

TEST_F(GpuWatchTest, WhatIsNoLongerShownIsLostUntilItIsThereAgain) {
  EXPECT_EQ(say(watch_.saw_all(report({kA, kB}), now_)), "");
  EXPECT_EQ(watch_.uuid_of(1), "GPU-b");
  EXPECT_EQ(say(watch_.saw_all(report({kB}), now_)), "GPU-a:the driver no longer shows it ");
  EXPECT_EQ(watch_.uuid_of(1), "GPU-b") << "an index keeps its meaning";
  EXPECT_EQ(say(watch_.saw_all(report({kB}), now_)), "") << "told once";
  EXPECT_EQ(watch_.gpus()[0].n_faults, 1);
  EXPECT_EQ(may(GpuLoss::kOthers), ErrorCode::kOk);
  EXPECT_EQ(may(GpuLoss::kCpu), ErrorCode::kOk);
  EXPECT_EQ(may(GpuLoss::kRefuse), ErrorCode::kUnavailable);
  const std::string why = watch_.may_load(GpuLoss::kRefuse).message();
  EXPECT_TRUE(why.starts_with("degraded: One (GPU-a): the driver no longer shows it; gpu_loss=others")) << why;
  EXPECT_EQ(say(watch_.saw_all(report({kA, kB}), now_)), "GPU-a: ");
  EXPECT_FALSE(watch_.is_degraded());
  EXPECT_FALSE(watch_.next_probe());
}

TEST_F(GpuWatchTest, WithNoneLeftNothingGoesToTheCpuUnasked) {
  EXPECT_EQ(say(watch_.saw_all(report({{"GPU-a", "One", "computes wrongly"}}), now_)), "GPU-a:computes wrongly ");
  EXPECT_EQ(may(GpuLoss::kOthers), ErrorCode::kUnavailable);
  EXPECT_EQ(may(GpuLoss::kCpu), ErrorCode::kOk);
}

TEST_F(GpuWatchTest, TheFirstReasonOfAFailureCounts) {
  watch_.saw_all(report({kA}), now_);
  EXPECT_EQ(say(watch_.failed({"GPU-a", "One", "cudaErrorIllegalAddress"}, now_)), "GPU-a:cudaErrorIllegalAddress ");
  EXPECT_EQ(say(watch_.failed({"GPU-a", "One", "did not end"}, now_)), "");
  EXPECT_EQ(watch_.gpus()[0].trouble, "cudaErrorIllegalAddress");
  EXPECT_EQ(watch_.gpus()[0].n_faults, 1);
}

TEST_F(GpuWatchTest, ADriverThatFailsTakesAllWithIt) {
  watch_.saw_all(report({kA}), now_);
  EXPECT_EQ(say(watch_.saw_all(GpuReport{.gpus = {}, .none = "x", .driver_fault = "the GPU driver fails"}, now_)),
            ":the GPU driver fails GPU-a:the GPU driver fails ");
  EXPECT_EQ(watch_.troubled(), (std::vector<std::string>{"", "GPU-a"}));
  EXPECT_EQ(say(watch_.probed("", report({kA}), now_)), ": GPU-a: ");
  EXPECT_FALSE(watch_.is_degraded());
}

TEST_F(GpuWatchTest, IsLookedForSoonAndThenEverMoreSeldom) {
  watch_.saw_all(report({kA, kB}), now_);
  watch_.failed({"GPU-a", "One", "lost"}, now_);
  std::vector<std::chrono::seconds> waits;
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(watch_.next_probe());
    waits.push_back(std::chrono::duration_cast<std::chrono::seconds>(*watch_.next_probe() - now_));
    now_ = *watch_.next_probe();
    watch_.probing();
    EXPECT_FALSE(watch_.next_probe()) << "one at a time";
    EXPECT_EQ(say(watch_.probed("GPU-a", Status(ErrorCode::kUnavailable, "the driver does not answer"), now_)), "");
    EXPECT_EQ(say(watch_.probed("GPU-a", report({}), now_)), "");
    EXPECT_EQ(say(watch_.probed("GPU-a", report({{"GPU-a", "One", "still broken"}}), now_)), "");
    watch_.probed_all(now_);
  }
  EXPECT_EQ(waits, (std::vector<std::chrono::seconds>{2s, 4s, 8s, 16s, 32s, 60s, 60s}));
  watch_.failed({"GPU-b", "Two", "lost"}, now_);
  EXPECT_EQ(*watch_.next_probe() - now_, 2s) << "another one: soon";
  EXPECT_EQ(say(watch_.probed("GPU-a", report({kA}), now_)), "GPU-a: ");
  EXPECT_TRUE(watch_.is_degraded());
  EXPECT_EQ(say(watch_.probed("GPU-b", report({kB}), now_)), "GPU-b: ");
  watch_.probed_all(now_);
  EXPECT_FALSE(watch_.next_probe());
}

// What a runner says may be anything.
TEST(GpuReportTest, OnlyWhatMayBeShownIsRead) {
  using nlohmann::json;
  EXPECT_TRUE(runner::read_gpu_report(json::object()).gpus.empty());
  EXPECT_TRUE(runner::read_gpu_report({{"gpus", "GPU-a"}}).gpus.empty());
  const auto read = runner::read_gpu_report(
      {{"gpus", {1, {{"uuid", "GPU a\n"}}, {{"uuid", "GPU-a"}, {"name", "N\x1b[31m\xe6\xb7\xb1"}, {"fault", 7}}, {{"uuid", std::string(65, 'a')}}}}, {"none", std::string(9999, 'x')}});
  ASSERT_EQ(read.gpus.size(), 1U);
  EXPECT_EQ(read.gpus[0].name, "N?[31m???");
  EXPECT_EQ(read.gpus[0].fault, "");
  EXPECT_EQ(read.none.size(), 512U);
  json many = json::array();
  for (int i = 0; i < 1000; ++i) many.push_back({{"uuid", "GPU-" + std::to_string(i)}});
  EXPECT_EQ(runner::read_gpu_report({{"gpus", many}}).gpus.size(), 64U);
}

}  // namespace
}  // namespace da::scheduler
