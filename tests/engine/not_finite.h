#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "engine/support.h"

namespace da::engine::test {

// Fault U08: a golden model one of whose embedding rows is no number, as a flipped bit makes it. It loads (the row is
// read when its token comes), and a text with that token has no logits. That request ends with an error and is counted;
// those beside it, and those that get its pages after it, have the text they have alone.
inline void check_not_finite(const std::function<model::Placement()>& place) {
  constexpr int32_t kBadToken = 456;
  std::string bytes = golden_bytes("models/llama.gguf");
  auto parsed = gguf::File::parse(std::as_bytes(std::span(bytes)), "flipped");
  ASSERT_TRUE(parsed.is_ok()) << parsed.status().message();
  const gguf::Tensor* table = (*parsed)->find_tensor("token_embd.weight");
  const auto width = static_cast<size_t>(table->dims[0]);
  const float nan = NAN;
  std::memcpy(const_cast<std::byte*>(table->data.data()) + (kBadToken * width + 5) * sizeof(float), &nan, sizeof nan);
  const std::shared_ptr<const gguf::File> file = std::move(parsed).value();
  // Two contexts in all, so that pages are used again.
  const EngineOptions options{
      .context_tokens = 128, .max_sequences = 4, .n_threads = 1, .pool_tokens = 256, .retained_tokens = 0};
  auto loaded = load_engine(file, place(), options);
  ASSERT_TRUE(loaded.is_ok()) << loaded.status().message();
  Engine& engine = **loaded;
  const GenerateRequest sound{.prompt = {1, 5, 270, 291}, .sampling = greedy(), .max_tokens = 10};
  const Answer alone = generate(engine, sound);
  ASSERT_EQ(alone.reason, FinishReason::kLength) << alone.error.message();
  int64_t n_bad = 0;
  for (const float temperature : {0.0F, 1.0F}) {
    for (const size_t n_prompt : {3U, 70U}) {  // few rows, and many, over pages
      GenerateRequest bad{.prompt = std::vector<int32_t>(n_prompt, 270), .sampling = {.temperature = temperature}};
      bad.prompt[1] = kBadToken;
      bad.max_tokens = 4;
      Pending beside, broken;
      ASSERT_TRUE(engine.submit(sound, beside.callback()).is_ok());
      ASSERT_TRUE(engine.submit(bad, broken.callback()).is_ok());
      const Answer answer = broken.wait();
      EXPECT_EQ(answer.reason, FinishReason::kError);
      EXPECT_NE(answer.error.message().find("not finite"), std::string::npos) << answer.error.message();
      EXPECT_EQ(answer.text, "");
      EXPECT_EQ(engine.stats().not_finite, ++n_bad);
      EXPECT_EQ(beside.wait().tokens, alone.tokens);
      EXPECT_EQ(generate(engine, sound).tokens, alone.tokens) << "on pages that held what is no number";
    }
  }
  std::promise<Result<std::vector<float>>> vector;
  ASSERT_TRUE(engine.embed({.tokens = {1, kBadToken, 5}}, [&](auto result) { vector.set_value(std::move(result)); }).is_ok());
  EXPECT_EQ(vector.get_future().get().code(), ErrorCode::kInternal);
  EXPECT_EQ(engine.stats().not_finite, n_bad + 1);
  EXPECT_TRUE(engine.check_integrity().is_ok());
}

}  // namespace da::engine::test
