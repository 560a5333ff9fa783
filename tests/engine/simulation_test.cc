// The planner of batches and the pool of pages under virtual time: random requests, cancels, held readers, shifts,
// steps given up and memory that is short. A shadow of what each page holds shows that nobody ever reads what is not
// theirs (C01). See support/seeds.h for how to repeat one seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "engine/batch_planner.h"
#include "support/seeds.h"

namespace da::engine {
namespace {

constexpr int32_t kPage = backend::kPageTokens;

// Pages without memory. `can_grow` goes false now and then, as when memory is short.
class FakePool final : public backend::KvPool {
 public:
  FakePool(const bool& can_grow, std::vector<char>& writers) : can_grow_(can_grow), writers_(writers) {
    page_bytes = 1;
  }
  Status grow(int32_t n) override {
    if (!can_grow_) return {ErrorCode::kResourceExhausted, "no memory"};
    n_pages = std::max(n_pages, n);
    return Status::ok();
  }
  Status clear(int32_t page) override {
    writers_[static_cast<size_t>(page)] = 0;
    return Status::ok();
  }

 private:
  const bool& can_grow_;
  std::vector<char>& writers_;
};

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9E3779B97F4A7C15U + (hash << 6) + (hash >> 2);
  return hash * 0xD6E8FEB86659FD93U;
}

struct Client : PagedSequence {
  int id = 0;
  int32_t n_wanted = 0, n_written = 0, context = 0;
  bool shifts = false;
  int64_t arrives_at = 0, leaves_at = INT64_MAX;
};

class World {
 public:
  explicit World(uint32_t seed) : random_(seed) {
    const int32_t max_pages = 6 + pick(30);
    std::vector<std::unique_ptr<backend::KvPool>> pools;
    pools.push_back(std::make_unique<FakePool>(can_grow_, writers_));
    pages_ = std::make_unique<KvPages>(std::make_unique<model::KvCache>(std::move(pools), 0), max_pages,
                                       most_retained_ = pick(max_pages + 1));
    planner_ = std::make_unique<BatchPlanner>(*pages_, clients_, most_sequences_ = 1 + pick(6));
    // Half of the worlds know no accidents: what goes round in circles there is not saved by one.
    calm_ = pick(2) == 0;
    calm_budget_ = most_sequences_ + pick(60);
    shadow_.assign(static_cast<size_t>(max_pages) * kPage, 0);
    writers_.assign(static_cast<size_t>(max_pages), 0);
    const int32_t most_tokens = max_pages * kPage;
    int64_t at = 0;
    for (int i = 0, n = 3 + pick(14); i < n; ++i) arriving_.push_back(make_client(i, at += pick(12), most_tokens));
  }

  // Until everybody has ended.
  void run() {
    for (now_ = 0; !arriving_.empty() || !running_.empty(); ++now_) {
      ASSERT_LT(now_, 20000) << "somebody waits for ever";
      happen();
      step();
      if (::testing::Test::HasFatalFailure()) return;
    }
    EXPECT_EQ(pages_->n_in_use(), 0);
    EXPECT_EQ(n_ended_, n_clients_);
  }
  uint64_t trace() const { return trace_; }

 private:
  int32_t pick(int32_t n) { return static_cast<int32_t>(random_() % static_cast<uint32_t>(n)); }

  std::unique_ptr<Client> make_client(int id, int64_t at, int32_t most_tokens) {
    auto client = std::make_unique<Client>();
    client->id = id;
    client->arrives_at = at;
    client->client = client->name_space = std::string(1, static_cast<char>('a' + pick(3)));
    client->priority = pick(3) - 1;
    // A few documents that many ask about: equal beginnings.
    const int32_t document = pick(3), n_document = pick(90), n_own = 1 + pick(60);
    for (int32_t i = 0; i < n_document; ++i) client->tokens.push_back(document * 1000 + i);
    for (int32_t i = 0; i < n_own; ++i) client->tokens.push_back(pick(4));
    client->tokens.resize(std::min<size_t>(client->tokens.size(), static_cast<size_t>(most_tokens / 2)));
    client->n_prompt = client->n_tokens();
    client->context = std::min(most_tokens, client->n_prompt + 2 + pick(60));
    client->shifts = pick(4) == 0;
    client->n_wanted = client->shifts ? 1 + pick(120) : std::min(1 + pick(60), client->context - client->n_prompt);
    if (pick(5) == 0) client->leaves_at = at + pick(80);
    ++n_clients_;
    return client;
  }

  void end(std::unique_ptr<Client>& client, bool failed) {
    if (!failed) planner_->retain(*client);
    planner_->release(*client);
    trace_ = mix(trace_, static_cast<uint64_t>(client->id) * 131 + static_cast<uint64_t>(client->n_written));
    ++n_ended_;
    client.reset();
  }

  void happen() {
    while (!arriving_.empty() && arriving_.front()->arrives_at <= now_) {
      const auto place =
          std::upper_bound(running_.begin(), running_.end(), arriving_.front()->priority,
                           [](int32_t priority, const auto& other) { return priority > other->priority; });
      running_.insert(place, std::move(arriving_.front()));
      arriving_.erase(arriving_.begin());
    }
    for (auto& client : running_) {
      if (client->leaves_at <= now_) {
        end(client, false);
      } else if (!calm_ && pick(20) == 0) {
        client->held = !client->held && pick(2) == 0;
      }
    }
    std::erase(running_, nullptr);
    can_grow_ = calm_ || pick(30) != 0;
  }

  // The keys and values of position `i` depend on all tokens up to it, and belong to a namespace.
  uint64_t content(const Client& client, int32_t i, uint64_t before) const {
    return mix(before, static_cast<uint64_t>(client.tokens[static_cast<size_t>(i)]) + 1);
  }
  void compute(const BatchPlanner::Part& part) {
    const auto& client = static_cast<const Client&>(*part.sequence);
    // Whatever a page holds beyond the tokens that count is its own namespace's, or zeros.
    for (const int32_t page : client.pages) {
      char& writer = writers_[static_cast<size_t>(page)];
      ASSERT_TRUE(writer == 0 || writer == client.name_space[0])
          << "client " << client.id << " has a page of " << writer;
      writer = client.name_space[0];
    }
    uint64_t hash = mix(0, static_cast<uint64_t>(client.name_space[0]));
    for (int32_t i = 0; i < client.n_computed + part.n_rows; ++i) {
      hash = content(client, i, hash);
      uint64_t& cell = shadow_[static_cast<size_t>(client.pages[static_cast<size_t>(i / kPage)]) * kPage +
                               static_cast<size_t>(i % kPage)];
      if (i >= client.n_computed) {
        cell = hash;
      } else {
        ASSERT_EQ(cell, hash) << "client " << client.id << " reads at " << i << " what is not its own";
      }
    }
  }

  void step() {
    std::vector<PagedSequence*> ranked;
    clients_.begin_step();
    for (const auto& client : running_) {
      ranked.push_back(client.get());
      if (!client->held) clients_.present(client->client);
    }
    clients_.end_of_present();
    const int32_t budget = calm_ ? calm_budget_ : most_sequences_ + pick(100);
    const BatchPlanner::Plan& plan =
        planner_->plan(ranked, {.most = budget, .shared = std::min(budget, most_sequences_ + pick(30))});
    ASSERT_LE(plan.n_rows(), budget);
    ASSERT_LE(static_cast<int32_t>(plan.parts.size()), most_sequences_);
    for (const auto& [sequence, status] : plan.failed) {
      ASSERT_FALSE(can_grow_) << "every request fits alone: " << status.message();
      for (auto& client : running_) {
        if (client.get() == sequence) end(client, true);
      }
    }
    const bool given_up = !calm_ && pick(25) == 0;
    for (const BatchPlanner::Part& part : plan.parts) {
      ASSERT_FALSE(part.sequence->held);
      compute(part);
      if (::testing::Test::HasFatalFailure()) return;
    }
    if (!given_up) {
      planner_->commit(plan);
      for (const BatchPlanner::Part& part : plan.parts) write(part);
    }
    std::erase(running_, nullptr);
    std::vector<int32_t> owned;
    for (const auto& client : running_) owned.insert(owned.end(), client->pages.begin(), client->pages.end());
    const Status status = pages_->check_integrity(owned);
    ASSERT_TRUE(status.is_ok()) << status.message();
    ASSERT_LE(pages_->n_retained(), most_retained_);
  }

  void write(const BatchPlanner::Part& part) {
    if (part.output_idx < 0) return;
    auto& client = static_cast<Client&>(*part.sequence);
    client.tokens.push_back(static_cast<int32_t>(mix(1, static_cast<uint64_t>(client.tokens.back())) % 5));
    if (++client.n_written >= client.n_wanted || (!client.shifts && client.n_tokens() >= client.context)) {
      for (auto& one : running_) {
        if (one.get() == &client) end(one, false);
      }
      return;
    }
    if (client.shifts && client.n_tokens() >= client.context) {
      const int32_t keep = std::min(3, client.n_tokens() - 2);
      client.drop_tokens(keep, std::max((client.n_tokens() - keep) / 2, 1));
      planner_->release(client);
    }
  }

  std::mt19937 random_;
  bool can_grow_ = true;
  int32_t most_sequences_ = 1, calm_budget_ = 0, most_retained_ = 0;
  bool calm_ = false;
  std::unique_ptr<KvPages> pages_;
  ClientShares clients_;
  std::unique_ptr<BatchPlanner> planner_;
  std::vector<uint64_t> shadow_;  // what each place of each page holds
  std::vector<char> writers_;     // whose each page is, 0: zeros
  std::vector<std::unique_ptr<Client>> arriving_, running_;
  int64_t now_ = 0;
  int n_clients_ = 0, n_ended_ = 0;
  uint64_t trace_ = 0;
};

TEST(PlannerSimulation, NobodyReadsWhatIsNotTheirsAndEverybodyEnds) {
  test::for_seeds(10000, [](uint32_t seed) { World(seed).run(); });
}

TEST(PlannerSimulation, ASeedIsAlwaysTheSameStory) { test::expect_replays<World>(20); }

}  // namespace
}  // namespace da::engine
