#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "engine/prefix_cache.h"
#include "engine/support.h"
#include "gguf/writer.h"

namespace da::engine {
namespace {

using test::Answer;
using test::generate;
using test::greedy;
using test::load_stories;
using test::Pending;

constexpr int32_t kPage = backend::kPageTokens;

std::vector<int32_t> numbers(int32_t count, int32_t first = 0) {
  std::vector<int32_t> out(static_cast<size_t>(count));
  std::iota(out.begin(), out.end(), first);
  return out;
}

bool always(int32_t /*page*/) { return true; }

TEST(PrefixCache, FindsTheLongestBeginningOfExactlyTheseTokens) {
  PrefixCache cache;
  const auto tokens = numbers(3 * kPage);
  EXPECT_EQ(cache.add("", tokens, std::vector{7, 8, 9}), (std::vector{7, 8, 9}));
  EXPECT_EQ(cache.find("", tokens), (std::vector{7, 8, 9}));
  EXPECT_EQ(cache.find("", numbers(3 * kPage - 1)), (std::vector{7, 8}));
  EXPECT_EQ(cache.find("", numbers(5 * kPage)), (std::vector{7, 8, 9}));
  auto other = tokens;
  other[kPage + 3] += 1;
  EXPECT_EQ(cache.find("", other), std::vector{7});
  EXPECT_TRUE(cache.find("", numbers(3 * kPage, 1)).empty());
  // The second page alone is nobody's beginning.
  EXPECT_TRUE(cache.find("", std::vector(tokens.begin() + kPage, tokens.end())).empty());
  // A fork shares what is equal; pages for known tokens are not taken.
  EXPECT_EQ(cache.add("", other, std::vector{17, 18, 19}), (std::vector{18, 19}));
  EXPECT_EQ(cache.find("", other), (std::vector{7, 18, 19}));
}

TEST(PrefixCache, NamespacesSeeNothingOfEachOther) {
  PrefixCache cache;
  const auto tokens = numbers(2 * kPage);
  cache.add("one", tokens, std::vector{1, 2});
  EXPECT_TRUE(cache.find("", tokens).empty());
  EXPECT_TRUE(cache.find("two", tokens).empty());
  EXPECT_EQ(cache.add("two", tokens, std::vector{3, 4}), (std::vector{3, 4}));
  EXPECT_EQ(cache.find("one", tokens), (std::vector{1, 2}));
}

TEST(PrefixCache, ForgetsWhatWasUsedLongestAgoFromTheEnd) {
  PrefixCache cache;
  cache.add("", numbers(2 * kPage), std::vector{1, 2});
  cache.add("", numbers(2 * kPage, 1000), std::vector{3, 4});
  cache.find("", numbers(2 * kPage));
  EXPECT_EQ(cache.evict(always), 4);
  EXPECT_EQ(cache.evict([](int32_t page) { return page != 3; }), 2);
  EXPECT_EQ(cache.evict(always), 3);
  EXPECT_EQ(cache.evict(always), 1);
  EXPECT_EQ(cache.evict(always), -1);
  EXPECT_EQ(cache.n_pages(), 0U);
  EXPECT_TRUE(cache.find("", numbers(2 * kPage)).empty());
}

std::vector<int32_t> story_tokens() {
  const auto stories = nlohmann::json::parse(test::golden_bytes("stories/stories260K.json"));
  return stories["perplexity"]["token_ids"].get<std::vector<int32_t>>();
}

std::vector<int32_t> first(const std::vector<int32_t>& tokens, int n) { return {tokens.begin(), tokens.begin() + n}; }

int32_t cached_tokens(Engine& engine, GenerateRequest request) {
  std::promise<int32_t> promise;
  const auto id = engine.submit(std::move(request), [&](const Update& update) {
    if (update.kind == Update::Kind::kFinished) promise.set_value(update.cached_tokens);
  });
  EXPECT_TRUE(id.is_ok());
  return promise.get_future().get();
}

// Long-rope rotates sequences of a long context otherwise: what they computed is of no use to the others.
TEST(Sharing, NotBetweenContextsThatRotateOtherwise) {
  const auto source = std::move(gguf::File::open(test::golden_path("models/phi3-longrope-long.gguf"))).value();
  gguf::Writer writer;
  for (const gguf::KeyValue& entry : source->metadata()) {
    if (entry.key != "phi3.rope.scaling.original_context_length") writer.add(entry.key, entry.value);
  }
  writer.add_uint32("phi3.rope.scaling.original_context_length", 64);
  for (const gguf::Tensor& tensor : source->tensors())
    writer.add_tensor(tensor.name, tensor.type, std::span(tensor.dims.data(), tensor.n_dims), tensor.data);
  const std::string bytes = std::move(writer.serialize()).value();
  auto file = gguf::File::parse(std::as_bytes(std::span(bytes)), "long-rope");
  ASSERT_TRUE(file.is_ok()) << file.status().message();
  auto loaded = test::load(std::move(file).value(), {.context_tokens = 128, .n_threads = 1});
  const auto ask = [&](int32_t context_tokens) {
    GenerateRequest request{.prompt = numbers(kPage + 8, 20), .sampling = greedy(), .max_tokens = 4};
    request.context_tokens = context_tokens;
    return cached_tokens(*loaded.engine, std::move(request));
  };
  EXPECT_EQ(ask(64), 0);
  EXPECT_EQ(ask(65), 0);
  EXPECT_EQ(ask(64), kPage);
  EXPECT_EQ(ask(128), kPage);
}

TEST(Sharing, ASecondRequestFindsTheFirstOnesTokensAndAnswersAlike) {
  auto loaded = load_stories({});
  const auto tokens = story_tokens();
  const GenerateRequest request{.prompt = first(tokens, 3 * kPage + 5), .sampling = greedy(), .max_tokens = 40};
  const Answer once = generate(*loaded.engine, request);
  const Answer again = generate(*loaded.engine, request);
  EXPECT_EQ(again.tokens, once.tokens);
  EXPECT_EQ(again.prefill, std::vector{3 * kPage + 5}) << "one step";
  EXPECT_EQ(loaded.engine->stats().cached_tokens, 3 * kPage);

  // The last token is always computed, even where a page ends with it.
  EXPECT_EQ(cached_tokens(*loaded.engine, {.prompt = first(tokens, 3 * kPage), .sampling = greedy(), .max_tokens = 1}),
            2 * kPage);
  // A conversation goes on: the answer's tokens are known too.
  auto longer = request.prompt;
  longer.insert(longer.end(), once.tokens.begin(), once.tokens.end());
  longer.push_back(5);
  EXPECT_EQ(cached_tokens(*loaded.engine, {.prompt = longer, .sampling = greedy(), .max_tokens = 1}), 4 * kPage);
  // Another namespace gets nothing.
  EXPECT_EQ(cached_tokens(*loaded.engine,
                          {.prompt = request.prompt, .sampling = greedy(), .max_tokens = 1, .name_space = "other"}),
            0);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
}

TEST(Sharing, KeepsNoMoreThanItMay) {
  auto loaded = load_stories({.retained_tokens = 2 * kPage});
  const auto tokens = story_tokens();
  for (int i = 0; i < 4; ++i) {
    GenerateRequest request{.prompt = first(tokens, 5 * kPage + i), .sampling = greedy(), .max_tokens = 3};
    request.prompt[static_cast<size_t>(i)] = 9;
    generate(*loaded.engine, request);
  }
  const EngineStats stats = loaded.engine->stats();
  EXPECT_LE(stats.pages_retained, 2);
  EXPECT_EQ(stats.pages_in_use, 0);
  EXPECT_GT(stats.evicted_pages, 0);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
}

// C04: when the pool is full, the youngest step back; all end with the tokens they would have had alone.
TEST(Sharing, NobodyIsLostWhenThePoolIsFull) {
  const auto tokens = story_tokens();
  std::vector<GenerateRequest> requests;
  for (int i = 0; i < 12; ++i) {
    GenerateRequest request{.prompt = first(tokens, 20 + 13 * i), .sampling = greedy(), .max_tokens = 60 + i};
    request.prompt[1] = 100 + i;  // nothing to share
    if (i % 3 == 2) request.sampling = {.temperature = 0.9F, .seed = i};
    requests.push_back(std::move(request));
  }
  auto alone = load_stories({.max_sequences = 1, .retained_tokens = 0});
  auto crowded = load_stories({.max_sequences = 6, .batch_tokens = 48, .pool_tokens = 10 * kPage});
  std::vector<Pending> pending(requests.size());
  for (size_t i = 0; i < requests.size(); ++i)
    ASSERT_TRUE(crowded.engine->submit(requests[i], pending[i].callback()).is_ok());
  for (size_t i = 0; i < requests.size(); ++i) {
    const Answer answer = pending[i].wait();
    EXPECT_EQ(answer.reason, FinishReason::kLength) << answer.error.message();
    EXPECT_EQ(answer.tokens, generate(*alone.engine, requests[i]).tokens) << i;
  }
  const EngineStats stats = crowded.engine->stats();
  EXPECT_GT(stats.preemptions, 0);
  EXPECT_LE(stats.pages_committed, 10);
  EXPECT_EQ(stats.pages_in_use, 0);
  EXPECT_EQ(stats.running, 0);
  EXPECT_TRUE(crowded.engine->check_integrity().is_ok());
}

// Many short lives with shared beginnings, cancelled at random, in a pool that is too small: no page is lost, and what
// comes out is right.
TEST(Sharing, SurvivesAStorm) {
  const auto tokens = story_tokens();
  auto alone = load_stories({.max_sequences = 1, .retained_tokens = 0});
  auto loaded =
      load_stories({.max_sequences = 5, .batch_tokens = 40, .pool_tokens = 9 * kPage, .retained_tokens = 4 * kPage});
  std::mt19937 random(11);
  std::vector<GenerateRequest> requests;
  std::vector<Pending> pending(120);
  std::vector<bool> cancelled;
  for (Pending& one : pending) {
    GenerateRequest request{.prompt = first(tokens, 1 + static_cast<int>(random() % 200)), .sampling = greedy()};
    if (random() % 3 == 0) request.prompt[random() % request.prompt.size()] = static_cast<int32_t>(random() % 512);
    request.max_tokens = 1 + static_cast<int32_t>(random() % 50);
    request.name_space = random() % 2 == 0 ? "a" : "b";
    requests.push_back(request);
    const auto id = loaded.engine->submit(std::move(request), one.callback());
    ASSERT_TRUE(id.is_ok());
    cancelled.push_back(random() % 4 == 0);
    if (cancelled.back()) loaded.engine->cancel(*id);
    if (random() % 10 == 0) {
      EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
    }
  }
  for (size_t i = 0; i < pending.size(); ++i) {
    const Answer answer = pending[i].wait();
    if (answer.reason == FinishReason::kCancelled) {
      EXPECT_TRUE(cancelled[i]);
      continue;
    }
    EXPECT_NE(answer.reason, FinishReason::kError) << answer.error.message();
    if (i % 4 == 0) {
      EXPECT_EQ(answer.tokens, generate(*alone.engine, requests[i]).tokens) << i;
    }
  }
  const EngineStats stats = loaded.engine->stats();
  EXPECT_EQ(stats.pages_in_use, 0);
  EXPECT_LE(stats.pages_retained, 4);
  EXPECT_GT(stats.cached_tokens, 0);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
}

// The pool holds one context and no more: what the first answer computed and the second computes again is kept once.
TEST(Sharing, TheSameAnswerTwiceFitsIntoOneContext) {
  auto loaded = load_stories({.context_tokens = 256, .max_sequences = 1});
  const GenerateRequest request{
      .prompt = {1, 400, 401, 402}, .sampling = greedy(), .max_tokens = 250, .ignores_end = true};
  const Answer first = generate(*loaded.engine, request);
  ASSERT_TRUE(first.error.is_ok()) << first.error.message();
  for (int i = 0; i < 3; ++i) {
    const Answer again = generate(*loaded.engine, request);
    EXPECT_TRUE(again.error.is_ok()) << again.error.message();
    EXPECT_EQ(again.tokens, first.tokens);
  }
  EXPECT_EQ(loaded.engine->stats().pages_in_use, 0);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
}

}  // namespace
}  // namespace da::engine
