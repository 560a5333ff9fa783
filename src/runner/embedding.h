#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "tokenizer/tokenizer.h"

namespace da::runner {

// The tokens of each text of an embed request. Texts above `max_tokens` are cut between the tokens the model adds, if
// the request allows it. Errors: kInvalidArgument ("invalid input type", "the input length exceeds the context
// length" with both counts).
struct EmbedInputs {
  std::vector<std::vector<tokenizer::TokenId>> tokens;
  std::string client;  // whose turn it is among many, and how urgent: of the request
  int32_t priority = 0;
  std::vector<std::pair<size_t, size_t>> dropped;  // of texts that were cut: which, and how many tokens
};
Result<EmbedInputs> embed_inputs(const nlohmann::ordered_json& request, const tokenizer::Tokenizer& tokenizer,
                                 size_t max_tokens);

// One embed request on its way through the engine: gathers the vectors of its texts, in their order.
class EmbedRun : public std::enable_shared_from_this<EmbedRun> {
 public:
  // `finished` gets the last message, once: done with `embeddings` and `prompt_tokens`, or error.
  EmbedRun(uint64_t id, engine::Engine& engine, std::function<void(const nlohmann::ordered_json&)> finished)
      : id_(id), engine_(engine), finished_(std::move(finished)) {}

  void start(EmbedInputs given);
  void cancel();

 private:
  void take(size_t input_idx, Result<std::vector<float>> vector);

  uint64_t id_;
  engine::Engine& engine_;
  std::function<void(const nlohmann::ordered_json&)> finished_;
  std::mutex mutex_;  // guards the rest
  std::vector<engine::Engine::RequestId> engine_ids_;
  std::vector<std::pair<size_t, size_t>> dropped_;
  std::vector<std::vector<float>> vectors_;
  size_t n_left_ = 0, n_tokens_ = 0;
  Status status_;
};

}  // namespace da::runner
