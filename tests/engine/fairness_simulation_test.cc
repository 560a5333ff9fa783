// Steps shared by clients, under virtual time: greedy clients with many long requests at all times, and one with short
// requests now and then, on machines of many speeds. See support/seeds.h for how to repeat one seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/batch_planner.h"
#include "engine/step_budget.h"
#include "support/seeds.h"

namespace da::engine {
namespace {

class Pool final : public backend::KvPool {
 public:
  Pool() { page_bytes = 1; }
  Status grow(int32_t n) override {
    n_pages = std::max(n_pages, n);
    return Status::ok();
  }
  Status clear(int32_t /*page*/) override { return Status::ok(); }
};

struct Request : PagedSequence {
  int32_t n_wanted = 1, n_written = 0;
  int64_t arrived_step = 0, first_token_step = -1, last_step = 0;
};

constexpr int32_t kMostSequences = 16, kMostRows = 512;

class World {
 public:
  explicit World(uint32_t seed)
      : random_(seed), fixed_ms_(0.1 + pick(400) / 10.0), row_ms_(0.01 + pick(500) / 100.0), budget_(kMostRows) {
    std::vector<std::unique_ptr<backend::KvPool>> pools;
    pools.push_back(std::make_unique<Pool>());
    constexpr int32_t kPages = 4096;
    pages_ = std::make_unique<KvPages>(std::make_unique<model::KvCache>(std::move(pools), 0), kPages, 0);
    planner_ = std::make_unique<BatchPlanner>(*pages_, clients_, kMostSequences);
  }

  int32_t pick(int32_t n) { return static_cast<int32_t>(random_() % static_cast<uint32_t>(n)); }

  Request& add(const std::string& client, int32_t n_prompt, int32_t n_wanted) {
    auto request = std::make_unique<Request>();
    request->client = request->name_space = client;
    for (int32_t i = 0; i < n_prompt; ++i) request->tokens.push_back(static_cast<int32_t>(random_() & 0xFFFF));
    request->n_prompt = n_prompt;
    request->n_wanted = n_wanted;
    request->arrived_step = request->last_step = step_;
    running_.push_back(std::move(request));
    return *running_.back();
  }
  int32_t count(const std::string& client) const {
    return static_cast<int32_t>(
        std::count_if(running_.begin(), running_.end(), [&](const auto& one) { return one->client == client; }));
  }

  // One step; `seen` gets the plan and its rows' limits before it is computed.
  template <class Seen>
  void step(const Seen& seen) {
    std::vector<PagedSequence*> ranked;
    int32_t n_writing = 0;
    clients_.begin_step();
    for (const auto& request : running_) {
      ranked.push_back(request.get());
      clients_.present(request->client);
      n_writing += request->n_written > 0 ? 1 : 0;
    }
    clients_.end_of_present();
    const StepRows limits = step_rows(budget_, static_cast<int32_t>(running_.size()), n_writing);
    const BatchPlanner::Plan& plan = planner_->plan(ranked, limits);
    ASSERT_FALSE(plan.parts.empty()) << "nothing to do";
    ASSERT_TRUE(plan.failed.empty());
    ASSERT_LE(plan.n_rows(), limits.most);
    last_step_ms_ = fixed_ms_ + row_ms_ * plan.n_rows();
    budget_.observe(plan.n_rows(), last_step_ms_ / 1e3);
    seen(plan, limits);
    if (::testing::Test::HasFatalFailure()) return;
    ++step_;
    planner_->commit(plan);
    for (const BatchPlanner::Part& part : plan.parts) {
      auto& request = static_cast<Request&>(*part.sequence);
      request.last_step = step_;
      served_[request.client] += part.n_rows;
      if (part.output_idx < 0) continue;
      request.tokens.push_back(1);
      if (++request.n_written == 1) request.first_token_step = step_;
      if (request.n_written < request.n_wanted) continue;
      planner_->release(request);
      ended_ = request;
      for (auto& one : running_) {
        if (one.get() == &request) one = nullptr;
      }
    }
    std::erase(running_, nullptr);
    for (const auto& request : running_) {
      ASSERT_LE(step_ - request->last_step, request->n_written > 0 ? 1 : 3000) << request->client << " waits too long";
    }
  }
  void step() {
    step([](const auto&, const auto&) {});
  }

  double ms(int32_t n_rows) const { return fixed_ms_ + row_ms_ * n_rows; }
  int64_t now() const { return step_; }
  double last_step_ms() const { return last_step_ms_; }
  std::map<std::string, int64_t> served_;
  std::vector<std::unique_ptr<Request>> running_;
  Request ended_;

 private:
  std::mt19937 random_;
  const double fixed_ms_, row_ms_;
  StepBudget budget_;
  std::unique_ptr<KvPages> pages_;
  ClientShares clients_;
  std::unique_ptr<BatchPlanner> planner_;
  int64_t step_ = 0;
  double last_step_ms_ = 0;
};

// A short request beside ten times too many long ones: it has its first token at the end of the step after the one
// under way, and no step in which it writes is made longer by others' prompts than they may.
void light_beside_heavy(uint32_t seed) {
  World world(seed);
  const int32_t n_heavy = 1 + world.pick(kMostSequences - 1), longest = 60 + world.pick(1500);
  const auto fill = [&] {
    while (world.count("heavy") < n_heavy) world.add("heavy", 50 + world.pick(longest), 1 + world.pick(100));
  };
  for (int i = 0, n = 5 + world.pick(40); i < n; ++i) {
    fill();
    world.step();
    if (::testing::Test::HasFatalFailure()) return;
  }
  for (int visit = 0; visit < 3; ++visit) {
    const Request& light = world.add("light", 1 + world.pick(150), 1 + world.pick(20));
    const int32_t n_prompt = light.n_prompt, n_wanted = light.n_wanted;
    int32_t n_steps = 0;
    while (world.count("light") > 0) {
      fill();
      world.step([&](const BatchPlanner::Plan& plan, const StepRows& limits) {
        int32_t of_light = 0, of_writers = 0;
        for (const BatchPlanner::Part& part : plan.parts) {
          const bool writes = part.sequence->n_computed >= part.sequence->n_prompt;
          (part.sequence->client == "light" ? of_light : of_writers) +=
              part.sequence->client == "light" || writes ? part.n_rows : 0;
        }
        if (n_steps == 0) {
          ASSERT_EQ(of_light, std::min(n_prompt, limits.most)) << "its prompt first";
        }
        ASSERT_LE(plan.n_rows(), std::max(limits.shared, of_light + of_writers))
            << "others' prompts make its step longer";
        if (n_steps == 0) {
          ASSERT_TRUE(of_writers * 8 <= of_light) << of_writers << " who write beside a prompt of " << of_light;
        }
      });
      ++n_steps;
      if (::testing::Test::HasFatalFailure()) return;
    }
    // Those who write may have a step between its first token and its second.
    ASSERT_LE(n_steps, n_wanted + (n_prompt + kMostRows - 1) / kMostRows) << "it writes in every step";
    // Until it is as far behind again as a newcomer.
    const int64_t before = world.served_["heavy"];
    while (world.served_["heavy"] < before + 1024) {
      fill();
      world.step();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

// Two greedy clients, one with many more requests than the other: what is read for them is shared equally.
void greedy_beside_greedy(uint32_t seed) {
  World world(seed);
  const int32_t n_few = 2 + world.pick(3), n_many = n_few + 2 + world.pick(8);
  const auto fill = [&] {
    while (world.count("few") < n_few) world.add("few", 100 + world.pick(900), 1);
    while (world.count("many") < n_many) world.add("many", 100 + world.pick(900), 1);
  };
  for (int i = 0; i < 60; ++i) {
    fill();
    world.step();
    if (::testing::Test::HasFatalFailure()) return;
    const int64_t apart = std::abs(world.served_["few"] - world.served_["many"]);
    ASSERT_LE(apart, 2 * kMostRows) << "after " << i << " steps";
  }
}

// A newcomer with a short prompt in every step: those who write still do so in every second one.
void crowd_of_newcomers(uint32_t seed) {
  World world(seed);
  const int32_t n_heavy = 4 + world.pick(6);
  for (int i = 0; i < 80; ++i) {
    while (world.count("heavy") < n_heavy) world.add("heavy", 10 + world.pick(100), 30 + world.pick(30));
    if (i > 20 && world.running_.size() < kMostSequences) world.add("new" + std::to_string(i), 1 + world.pick(25), 1);
    world.step();
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(FairnessSimulation, NobodyWhoWritesWaitsTwiceInARow) { test::for_seeds(2000, crowd_of_newcomers); }
TEST(FairnessSimulation, AShortRequestIsNotHeldUpByLongOnes) { test::for_seeds(10000, light_beside_heavy); }
TEST(FairnessSimulation, GreedyClientsShareEqually) { test::for_seeds(2000, greedy_beside_greedy); }

}  // namespace
}  // namespace da::engine
