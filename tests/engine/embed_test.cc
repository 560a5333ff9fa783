// Vectors of texts from the engine: the reference's, whatever runs beside them.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/pooling.h"
#include "engine/support.h"

namespace da::engine {
namespace {

using nlohmann::json;

test::Loaded load_golden(const std::string& name, EngineOptions options = {}) {
  auto file = gguf::File::open(test::golden_path("models/" + name + ".gguf"));
  if (!file.is_ok()) throw std::runtime_error(file.status().message());
  options.n_threads = 2;
  options.kv_type = backend::KvType::kF32;
  return test::load(std::shared_ptr<const gguf::File>(std::move(file).value()), options);
}

using Answer = Result<std::vector<float>>;

std::future<Answer> embed(Engine& engine, std::vector<int32_t> tokens, const std::string& client = "") {
  auto promise = std::make_shared<std::promise<Answer>>();
  auto future = promise->get_future();
  const auto id = engine.embed({.tokens = std::move(tokens), .client = client},
                               [promise](Answer answer) { promise->set_value(std::move(answer)); });
  if (!id.is_ok()) promise->set_value(id.status());
  return future;
}

TEST(Embed, IsThePooledVectorOfTheReferenceAloneAndInCompany) {
  const json index = json::parse(test::golden_bytes("models/index.json"));
  for (const json& entry : index["models"]) {
    if (entry["kind"] != "embedding") continue;
    const std::vector<int32_t> tokens = entry["token_ids"];
    std::vector<float> expected = da::test::golden_floats(entry["pooled"].get<std::string>());
    normalize(expected);
    const auto loaded = load_golden(entry["name"], {.batch_tokens = 100});
    const Answer alone = embed(*loaded.engine, tokens).get();
    ASSERT_TRUE(alone.is_ok()) << alone.status().message();
    ASSERT_EQ(alone->size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR((*alone)[i], expected[i], 1e-5) << entry["name"];
    std::vector<std::future<Answer>> many;
    for (size_t n = 1; n <= tokens.size(); n += 9)
      many.push_back(embed(*loaded.engine, {tokens.begin(), tokens.begin() + n}));
    many.push_back(embed(*loaded.engine, tokens));
    for (auto& one : many) {
      const Answer answer = one.get();
      ASSERT_TRUE(answer.is_ok()) << answer.status().message();
      double squares = 0;
      for (const float value : *answer) squares += static_cast<double>(value) * static_cast<double>(value);
      EXPECT_NEAR(squares, 1, 1e-5);
      if (&one == &many.back()) {
        EXPECT_EQ(*answer, *alone) << entry["name"];
      }
    }
    EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
  }
}

TEST(Embed, RefusesWhatCannotBe) {
  const auto loaded = load_golden("bert");
  EXPECT_EQ(embed(*loaded.engine, {}).get().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(embed(*loaded.engine, {1, 640}).get().code(), ErrorCode::kInvalidArgument);
  const Answer too_long = embed(*loaded.engine, std::vector<int32_t>(129, 5)).get();
  EXPECT_EQ(too_long.code(), ErrorCode::kResourceExhausted);
  EXPECT_NE(too_long.status().message().find("129"), std::string::npos) << too_long.status().message();
  EXPECT_TRUE(embed(*loaded.engine, std::vector<int32_t>(128, 5)).get().is_ok());
  const auto generated = loaded.engine->submit({.prompt = {1}}, [](const Update&) {});
  EXPECT_EQ(generated.code(), ErrorCode::kUnsupported);
}

TEST(Embed, OfAGenerativeModelBesideItsRequests) {
  const auto loaded = load_golden("llama", {.batch_tokens = 16});
  const std::vector<int32_t> tokens = {1, 5, 9, 300, 17, 4, 8, 100, 200, 250, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40};
  const Answer alone = embed(*loaded.engine, tokens).get();
  ASSERT_TRUE(alone.is_ok()) << alone.status().message();
  test::Pending pending;
  ASSERT_TRUE(
      loaded.engine->submit({.prompt = {1, 2, 3}, .sampling = test::greedy(), .max_tokens = 40}, pending.callback())
          .is_ok());
  const Answer beside = embed(*loaded.engine, tokens).get();
  ASSERT_TRUE(beside.is_ok());
  EXPECT_EQ(*beside, *alone);
  EXPECT_GT(pending.wait().generated_tokens, 0);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
}

TEST(Embed, AShortTextDoesNotWaitForAnotherClientsThousands) {
  const auto loaded = load_golden("nomic-bert");
  const int n_greedy = 600;
  std::atomic<int> n_done{0};
  for (int i = 0; i < n_greedy; ++i) {
    const auto id = loaded.engine->embed({.tokens = std::vector<int32_t>(400, 7), .client = "greedy"},
                                         [&](const Answer&) { ++n_done; });
    ASSERT_TRUE(id.is_ok());
  }
  ASSERT_TRUE(embed(*loaded.engine, {5, 6, 7}, "light").get().is_ok());
  EXPECT_LT(n_done, n_greedy / 2);
  for (int i = 0; i < 600 && n_done < n_greedy; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(n_done, n_greedy);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
}

// Texts of some, answers of others, cancels and little room for keys and values: everything ends, nothing is lost.
TEST(Embed, BesideAnswersWithLittleRoomForBoth) {
  const auto loaded = load_golden("llama", {.context_tokens = 256, .batch_tokens = 64, .pool_tokens = 384});
  std::vector<int32_t> text(200);
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<int32_t>(3 + i % 200);
  const Answer alone = embed(*loaded.engine, text).get();
  ASSERT_TRUE(alone.is_ok());
  std::vector<test::Pending> writers(6);
  std::vector<std::future<Answer>> texts;
  for (int i = 0; i < 6; ++i) {
    const std::string client(1, static_cast<char>('a' + i % 3));
    ASSERT_TRUE(loaded.engine
                    ->submit({.prompt = {1, 2, 3 + i},
                              .sampling = test::greedy(),
                              .max_tokens = 60,
                              .ignores_end = true,
                              .name_space = client},
                             writers[static_cast<size_t>(i)].callback())
                    .is_ok());
    for (int n = 0; n < 3; ++n) texts.push_back(embed(*loaded.engine, text, n == 0 ? client : "texts"));
  }
  const auto cancelled = loaded.engine->embed({.tokens = text, .client = "leaves"}, [](const Answer&) {});
  ASSERT_TRUE(cancelled.is_ok());
  loaded.engine->cancel(*cancelled);
  for (auto& one : texts) {
    ASSERT_EQ(one.wait_for(std::chrono::seconds(60)), std::future_status::ready);
    const Answer answer = one.get();
    ASSERT_TRUE(answer.is_ok()) << answer.status().message();
    EXPECT_EQ(*answer, *alone);
  }
  for (test::Pending& writer : writers) EXPECT_EQ(writer.wait().generated_tokens, 60);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
}

TEST(Embed, EndsWithTheEngine) {
  std::vector<std::future<Answer>> answers;
  {
    const auto loaded = load_golden("nomic-bert");
    for (int i = 0; i < 20; ++i) answers.push_back(embed(*loaded.engine, std::vector<int32_t>(400, 7)));
  }
  for (auto& answer : answers) {
    const Answer taken = answer.get();
    EXPECT_TRUE(taken.is_ok() || taken.code() == ErrorCode::kCancelled) << taken.status().message();
  }
}

}  // namespace
}  // namespace da::engine
