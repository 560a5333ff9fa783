#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/load.h"
#include "gguf/gguf.h"
#include "support/golden.h"
#include "tokenizer/tokenizer.h"

namespace da::engine::test {

using da::test::golden_bytes;
using da::test::golden_path;

struct Loaded {
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  std::unique_ptr<Engine> engine;
};

inline Loaded load(std::shared_ptr<const gguf::File> file, const EngineOptions& options) {
  auto engine = load_engine(std::move(file), options);
  if (!engine.is_ok()) throw std::runtime_error(engine.status().message());
  return {(*engine)->tokenizer(), std::move(*engine)};
}

// The trained model of 260 thousand weights.
inline Loaded load_stories(EngineOptions options) {
  auto file = gguf::File::open(golden_path("stories/stories260K.gguf"));
  if (!file.is_ok()) throw std::runtime_error(file.status().message());
  if (options.n_threads == 0) options.n_threads = 2;
  return load(std::shared_ptr<const gguf::File>(std::move(file).value()), options);
}

// All news of one request, put together; checks the promises of UpdateCallback.
struct Answer {
  std::string text;
  std::vector<int32_t> tokens;
  std::vector<int32_t> prefill;  // prompt_tokens_done of each report
  FinishReason reason = FinishReason::kStop;
  Status error;
  int32_t generated_tokens = 0;
};

// A request in flight.
class Pending {
 public:
  UpdateCallback callback() {
    return [state = state_](const Update& update) {
      EXPECT_FALSE(state->finished) << "news after the end";
      Answer& answer = state->answer;
      answer.tokens.insert(answer.tokens.end(), update.tokens.begin(), update.tokens.end());
      switch (update.kind) {
        case Update::Kind::kPrefill:
          answer.prefill.push_back(update.prompt_tokens_done);
          return;
        case Update::Kind::kText:
          answer.text += update.text;
          return;
        case Update::Kind::kFinished:
          answer.reason = update.reason;
          answer.error = update.error;
          answer.generated_tokens = update.generated_tokens;
          state->finished = true;
          state->promise.set_value(answer);
          return;
      }
    };
  }
  Answer wait() {
    auto future = state_->promise.get_future();
    if (future.wait_for(std::chrono::seconds(60)) != std::future_status::ready)
      throw std::runtime_error("no end after 60 s");
    return future.get();
  }

 private:
  struct State {
    Answer answer;
    bool finished = false;
    std::promise<Answer> promise;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

inline SamplingParams greedy() {
  SamplingParams params;
  params.temperature = 0;
  return params;
}

inline Answer generate(Engine& engine, GenerateRequest request) {
  Pending pending;
  auto id = engine.submit(std::move(request), pending.callback());
  if (!id.is_ok()) throw std::runtime_error(id.status().message());
  return pending.wait();
}

}  // namespace da::engine::test
