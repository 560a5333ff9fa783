// Guessed tokens: what is guessed, when it pays, and that nobody can tell from an answer that there were guesses.
#include "engine/speculation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/prompt_lookup.h"
#include "engine/support.h"

namespace da::engine {
namespace {

using test::Answer;
using test::generate;
using test::greedy;
using test::load_stories;
using test::Pending;
using Tokens = std::vector<int32_t>;

TEST(PromptLookup, TakesWhatFollowedTheLongestMatch) {
  const PromptLookup lookup;
  const Tokens tokens = {1, 2, 3, 4, 9, 2, 3, 7, 8, 1, 2, 3};
  EXPECT_EQ(lookup.guess(tokens, 2).tokens, (Tokens{4, 9}));  // 1 2 3, not the later 2 3
  EXPECT_EQ(lookup.guess(tokens, 2).n_matched, 3);
  EXPECT_EQ(lookup.guess(Tokens{5, 1, 6, 1, 7, 1}, 1).tokens, (Tokens{7}));  // of equals the latest
  EXPECT_TRUE(lookup.guess(Tokens{1, 2, 3}, 4).tokens.empty());
  EXPECT_TRUE(lookup.guess(Tokens{}, 4).tokens.empty());
  EXPECT_TRUE(lookup.guess(tokens, 0).tokens.empty());
}

TEST(PromptLookup, GoesOnWithWhatRepeatsItself) {
  const PromptLookup lookup;
  EXPECT_EQ(lookup.guess(Tokens{5, 6, 5, 6, 5}, 6).tokens, (Tokens{6, 5, 6, 5, 6, 5}));
  EXPECT_EQ(lookup.guess(Tokens{4, 4}, 3).tokens, (Tokens{4, 4, 4}));
}

TEST(PromptLookup, LearnsAndForgetsHowOftenItIsRight) {
  PromptLookup lookup;
  EXPECT_LT(lookup.acceptance(1), lookup.acceptance(3));
  EXPECT_LT(lookup.acceptance(3), lookup.acceptance(20));
  const double before = lookup.acceptance(2);
  for (int i = 0; i < 20; ++i) lookup.observe(2, 10, false);
  EXPECT_GT(lookup.acceptance(2), 0.95);
  for (int i = 0; i < 600; ++i) lookup.observe(2, 0, true);
  EXPECT_LT(lookup.acceptance(2), 0.3);
  for (int i = 0; i < 500; ++i) lookup.fade();
  EXPECT_NEAR(lookup.acceptance(2), before, 0.01);
  EXPECT_NEAR(lookup.acceptance(20), PromptLookup().acceptance(20), 1e-9);
}

StepCost cost_of(double fixed_seconds, double row_seconds) {
  StepCost cost;
  for (int i = 0; i < 200; ++i) cost.observe(1 + i % 9, fixed_seconds + row_seconds * (1 + i % 9));
  return cost;
}

TEST(StepCost, LearnsALine) {
  const StepCost cost = cost_of(0.010, 0.002);
  EXPECT_NEAR(cost.row_seconds(), 0.002, 1e-5);
  EXPECT_NEAR(cost.seconds(4), 0.018, 1e-4);
  StepCost one_size;
  one_size.observe(1, 0.01);
  EXPECT_NEAR(one_size.row_seconds(), 0.001, 1e-9);
  EXPECT_NEAR(one_size.seconds(1), 0.01, 1e-9);
  EXPECT_FALSE(StepCost().known());
}

// Tokens a second of one sequence with a draft of n.
double rate(double acceptance, int n, double fixed_seconds, double row_seconds) {
  double tokens = 1;
  for (int i = 1; i <= n; ++i) tokens += std::pow(acceptance, i);
  return tokens / (fixed_seconds + row_seconds * (1 + n));
}

TEST(Drafts, AreAsLongAsMakesTheMostTokensASecond) {
  for (const double row_seconds : {0.0001, 0.001, 0.003, 0.02}) {
    for (const double acceptance : {0.05, 0.3, 0.6, 0.9, 0.99}) {
      int best = 0;
      for (int n = 1; n <= 16; ++n) {
        if (rate(acceptance, n, 0.01, row_seconds) > rate(acceptance, best, 0.01, row_seconds)) best = n;
      }
      DraftCandidate candidates[] = {{.acceptance = acceptance, .most = 16}};
      choose_draft_lengths(candidates, 1, cost_of(0.01, row_seconds));
      EXPECT_NEAR(candidates[0].n, best, 1) << row_seconds << " " << acceptance;
    }
  }
}

TEST(Drafts, AreForThoseWhoseGuessesAreGoodAndForNobodyUnderLoad) {
  DraftCandidate candidates[] = {{.acceptance = 0.9, .most = 8}, {.acceptance = 0.2, .most = 8}};
  choose_draft_lengths(candidates, 2, cost_of(0.01, 0.001));
  EXPECT_GT(candidates[0].n, 2);
  EXPECT_LT(candidates[1].n, candidates[0].n);
  // 60 sequences: a step is all rows, and a row of a guess is worth less than one of a sequence.
  std::vector<DraftCandidate> many(60, {.acceptance = 0.8, .most = 8});
  choose_draft_lengths(many, 60, cost_of(0.001, 0.001));
  EXPECT_EQ(std::count_if(many.begin(), many.end(), [](const DraftCandidate& c) { return c.n > 0; }), 0);
  // Nothing is guessed before anything is known of the costs, and never more rows than there is room for.
  choose_draft_lengths(many, 60, StepCost());
  EXPECT_EQ(many[0].n, 0);
  choose_draft_lengths(many, 60, cost_of(1, 0.0001));
  int n_rows = 0;
  for (const DraftCandidate& candidate : many) n_rows += candidate.n;
  EXPECT_EQ(n_rows, kMostDraftRows);
}

Tokens story_ids() {
  const auto stories = nlohmann::json::parse(test::golden_bytes("stories/stories260K.json"));
  return stories["perplexity"]["token_ids"].get<Tokens>();
}

// Requests that repeat themselves more or less, under every kind of choice.
std::vector<GenerateRequest> requests() {
  const Tokens story = story_ids();
  std::vector<GenerateRequest> all;
  for (int i = 0; i < 8; ++i) {
    GenerateRequest request;
    for (int k = 0; k < 1 + i % 3; ++k) request.prompt.insert(request.prompt.end(), story.begin(), story.begin() + 30);
    request.prompt.insert(request.prompt.end(), story.begin() + 1, story.begin() + 3 + i);
    request.sampling = greedy();
    request.max_tokens = 90 + i;
    if (i % 4 == 1) request.sampling = {.temperature = 0.6F, .top_k = 20, .repeat_penalty = 1.1F, .seed = i};
    if (i % 4 == 2) request.sampling.repeat_penalty = 1.2F;
    if (i % 4 == 3) {
      request.grammar =
          grammar::Grammar::from_json_schema(
              R"({"type":"array","items":{"type":"object","properties":{"name":{"type":"string","maxLength":6},
                                "kind":{"enum":["the little dog","the big red house"]}},"required":["name","kind"]},"maxItems":5})")
              .value();
    }
    if (i == 6) request.stop = {"and"};
    if (i == 4) request.ignores_end = true;
    all.push_back(std::move(request));
  }
  return all;
}

TEST(Speculation, ChangesNoToken) {
  const auto all = requests();
  for (const backend::KvTypes kv_type : std::initializer_list<backend::KvTypes>{
           backend::KvType::kF32, backend::KvType::kF16, {backend::KvType::kQ8_0, backend::KvType::kQ4_0}}) {
    auto plain = load_stories({.max_sequences = 1, .kv_type = kv_type, .speculation = Speculation::kOff});
    auto alone = load_stories({.max_sequences = 1, .kv_type = kv_type, .speculation = Speculation::kAlways});
    auto company = load_stories({.max_sequences = 5, .kv_type = kv_type, .speculation = Speculation::kAlways});
    std::vector<Pending> pending(all.size());
    for (size_t i = 0; i < all.size(); ++i) ASSERT_TRUE(company.engine->submit(all[i], pending[i].callback()).is_ok());
    for (size_t i = 0; i < all.size(); ++i) {
      const Answer expected = generate(*plain.engine, all[i]);
      EXPECT_TRUE(expected.error.is_ok()) << expected.error.message();
      for (const Answer& got : {generate(*alone.engine, all[i]), pending[i].wait()}) {
        EXPECT_EQ(got.tokens, expected.tokens) << i;
        EXPECT_EQ(got.text, expected.text) << i;
        EXPECT_EQ(got.reason, expected.reason) << i;
        EXPECT_EQ(got.generated_tokens, expected.generated_tokens) << i;
      }
    }
    for (Engine* engine : {alone.engine.get(), company.engine.get()}) {
      const EngineStats stats = engine->stats();
      EXPECT_GT(stats.accepted_tokens, 20);
      EXPECT_GT(stats.drafted_tokens, stats.accepted_tokens);  // some were wrong, and left no trace
      EXPECT_TRUE(engine->check_integrity().is_ok());
    }
    EXPECT_LT(alone.engine->stats().steps, plain.engine->stats().steps);
    EXPECT_EQ(plain.engine->stats().drafted_tokens, 0);
  }
}

TEST(Speculation, GivesWayWhenPagesAreShort) {
  const auto all = requests();
  auto plain = load_stories({.max_sequences = 1, .speculation = Speculation::kOff});
  auto tight =
      load_stories({.max_sequences = 4, .pool_tokens = 512, .speculation = Speculation::kAlways, .retained_tokens = 0});
  std::vector<Pending> pending(all.size());
  for (size_t i = 0; i < all.size(); ++i) ASSERT_TRUE(tight.engine->submit(all[i], pending[i].callback()).is_ok());
  for (size_t i = 0; i < all.size(); ++i)
    EXPECT_EQ(pending[i].wait().tokens, generate(*plain.engine, all[i]).tokens) << i;
  EXPECT_GT(tight.engine->stats().preemptions, 0);
  EXPECT_GT(tight.engine->stats().accepted_tokens, 0);
  EXPECT_TRUE(tight.engine->check_integrity().is_ok());
}

TEST(Speculation, EndsAtTheContextAndShiftsTheSameWay) {
  const Tokens story = story_ids();
  for (const bool shift : {false, true}) {
    const GenerateRequest request{.prompt = Tokens(story.begin(), story.begin() + 20),
                                  .sampling = greedy(),
                                  .max_tokens = 200,
                                  .ignores_end = true,
                                  .context_tokens = 64,
                                  .shift = shift,
                                  .keep_tokens = 4};
    auto plain = load_stories({.speculation = Speculation::kOff});
    auto guessing = load_stories({.speculation = Speculation::kAlways});
    const Answer expected = generate(*plain.engine, request), got = generate(*guessing.engine, request);
    EXPECT_EQ(got.tokens, expected.tokens);
    EXPECT_EQ(got.tokens.size(), shift ? 200U : 44U);
    EXPECT_TRUE(guessing.engine->check_integrity().is_ok());
  }
}

// What the analysis does: quotes of a source, in a document bound to a schema.
TEST(Speculation, QuotesOfASourceAreTheSame) {
  const std::string path = std::string(DEEPANALYZE_SOURCE_DIR) + "/models/starter/starter.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no bundled model";
  const std::string source =
      "国内新能源汽车销量达182.3万辆，同比增长35.7%。比亚迪以42.7万辆居首，特斯拉中国交付量为16.5万辆。";
  const auto schema =
      R"({"type":"object","properties":{"facts":{"type":"array","maxItems":4,"minItems":2,"x-unique":"quote",
      "items":{"type":"object","properties":{"quote":{"type":"string","x-source":true},"value":{"type":"string","maxLength":12}},
      "required":["quote","value"],"x-property-order":["quote","value"]}}},"required":["facts"]})";
  std::vector<Answer> answers;
  for (const Speculation speculation : {Speculation::kOff, Speculation::kAlways, Speculation::kWherePaid}) {
    auto file = gguf::File::open(path);
    ASSERT_TRUE(file.is_ok());
    auto loaded = test::load(std::shared_ptr<const gguf::File>(std::move(*file)),
                             {.context_tokens = 2048, .n_threads = 2, .speculation = speculation});
    GenerateRequest request{.prompt = loaded.tokenizer->encode(source, {}), .sampling = greedy(), .max_tokens = 300};
    auto grammar = grammar::Grammar::from_json_schema(schema, source);
    ASSERT_TRUE(grammar.is_ok()) << grammar.status().message();
    request.grammar = *grammar;
    answers.push_back(generate(*loaded.engine, request));
    EXPECT_TRUE(answers.back().error.is_ok()) << answers.back().error.message();
    if (speculation == Speculation::kAlways) {
      EXPECT_GT(loaded.engine->stats().accepted_tokens, 5);
    }
  }
  EXPECT_EQ(answers[1].tokens, answers[0].tokens);
  EXPECT_EQ(answers[2].tokens, answers[0].tokens);
  EXPECT_TRUE(nlohmann::json::accept(answers[0].text)) << answers[0].text;
}

}  // namespace
}  // namespace da::engine
