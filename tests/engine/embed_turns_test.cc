// Whose text is next, under virtual time: greedy clients with thousands of texts beside one with a short one now and
// then, and beside others that write. See support/seeds.h for how to repeat one seed.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/embed_turns.h"
#include "support/seeds.h"

namespace da::engine {
namespace {

class World {
 public:
  explicit World(uint32_t seed) : random_(seed), most_rows_(16 + pick(500)), whole_(pick(2) == 0) {}

  int32_t pick(int32_t n) { return static_cast<int32_t>(random_() % static_cast<uint32_t>(n)); }
  EmbedText& add(const std::string& client, int32_t n_tokens, int32_t priority = 0) {
    texts_.push_back(std::make_unique<EmbedText>(
        EmbedText{.id = ++last_id_, .client = client, .priority = priority, .n_tokens = n_tokens}));
    turns_.add(texts_.back().get());
    return *texts_.back();
  }
  void meet(const std::vector<std::string>& others = {}) {
    shares_.begin_step();
    turns_.for_each_client([this](const std::string& client) { shares_.present(client); });
    for (const std::string& client : others) shares_.present(client);
    shares_.end_of_present();
  }
  std::vector<EmbedTurns::Part> step(const EmbedTurns::Take& take = [](auto&, auto) { return true; }) {
    std::vector<EmbedTurns::Part> parts = turns_.plan(most_rows_, whole_, shares_, take);
    int32_t n_rows = 0;
    for (const auto& [text, n] : parts) {
      n_rows += n;
      shares_.charge(text->client, n);
      served_[text->client] += n;
      text->n_done += n;
      if (text->n_left() == 0) turns_.remove(text);
      EXPECT_TRUE(!whole_ || text->n_left() == 0) << "cut";
    }
    EXPECT_TRUE(n_rows <= most_rows_ || parts.size() == 1) << n_rows << " rows of " << most_rows_;
    return parts;
  }
  int32_t count(const std::string& client) const {
    int32_t n = 0;
    for (const auto& text : texts_) n += text->client == client && text->n_left() > 0 ? 1 : 0;
    return n;
  }

  std::mt19937 random_;
  const int32_t most_rows_;
  const bool whole_;
  EmbedTurns turns_;
  ClientShares shares_;
  std::map<std::string, int64_t> served_;
  std::vector<std::unique_ptr<EmbedText>> texts_;
  uint64_t last_id_ = 0;
};

// However many texts a greedy client has, one that comes with a short one is in the next step.
void short_text_beside_thousands(uint32_t seed) {
  World world(seed);
  for (int i = 0; i < 300; ++i) world.add("greedy", 1 + world.pick(200));
  for (int i = 0, n = 1 + world.pick(8); i < n; ++i) {
    world.meet();
    ASSERT_FALSE(world.turns_.is_urgent(world.shares_)) << "alone";
    world.step();
  }
  const EmbedText& light = world.add("light", 1 + world.pick(world.most_rows_));
  world.meet();
  ASSERT_EQ(world.turns_.is_urgent(world.shares_), light.n_tokens <= ClientShares::kNewcomerTokens);
  const auto parts = world.step();
  ASSERT_EQ(parts.front().text, &light);
  ASSERT_EQ(light.n_left(), 0);
}

// Clients with texts of different lengths get as many rows each, and of one client the order of arrival holds.
void greedy_ones_share_equally(uint32_t seed) {
  World world(seed);
  const int32_t long_ones = 50 + world.pick(300), short_ones = 1 + world.pick(20);
  std::map<std::string, uint64_t> last;
  for (int i = 0; i < 60; ++i) {
    while (world.count("long") < 600) world.add("long", 1 + world.pick(long_ones));
    while (world.count("short") < 600) world.add("short", 1 + world.pick(short_ones));
    world.meet();
    for (const auto& [text, n_rows] : world.step()) {
      ASSERT_GE(text->id, last[text->client]) << "overtaken";
      last[text->client] = text->id;
    }
    ASSERT_LE(std::abs(world.served_["long"] - world.served_["short"]), 2 * world.most_rows_ + 2 * long_ones) << i;
  }
}

TEST(EmbedTurns, AShortTextIsInTheNextStep) { test::for_seeds(2000, short_text_beside_thousands); }
TEST(EmbedTurns, GreedyClientsShareEqually) { test::for_seeds(300, greedy_ones_share_equally); }

TEST(EmbedTurns, PriorityGoesFirst) {
  World world(1);
  world.add("a", 5);
  world.add("b", 5, -1);
  const EmbedText& high = world.add("a", 5, 1);
  world.meet();
  const auto parts = world.step();
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[0].text, &high);
  EXPECT_EQ(parts[2].text->client, "b");
}

TEST(EmbedTurns, WhoWaitsForPagesIsNotOvertakenByWhoHasNone) {
  World world(2);
  EmbedText& begun = world.add("a", 30);
  begun.n_done = 3;
  const EmbedText& next = world.add("b", 10);
  world.add("c", 1);
  world.meet();
  world.shares_.charge("a", 100);
  world.shares_.charge("c", 50);
  const auto parts = world.step([&](const EmbedText& text, int32_t) { return &text != &next; });
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].text, &begun) << "what it has comes free only so";
}

TEST(EmbedTurns, BesideOthersATextHasHalfOfTheirTime) {
  EmbedTurns turns;
  double texts = 0, others = 0;
  for (int i = 0; i < 1000; ++i) {
    if (turns.is_due()) {
      turns.had(0.3);
      texts += 0.3;
    }
    turns.others_had(0.07);
    others += 0.07;
  }
  EXPECT_NEAR(texts / others, EmbedTurns::kShareOfOthers, 0.03);
  for (int i = 0; i < 1000; ++i) turns.others_had(1);
  turns.had(0.1);
  EXPECT_FALSE(turns.is_due()) << "nothing is saved up";
}

}  // namespace
}  // namespace da::engine
