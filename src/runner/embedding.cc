#include "runner/embedding.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runner/host.h"

namespace da::runner {
namespace {

using tokenizer::TokenId;

// One text's tokens; `n_dropped` if it was cut.
Result<std::vector<TokenId>> encode(const std::string& text, const tokenizer::Tokenizer& tokenizer, size_t max_tokens,
                                    bool truncate, size_t& n_dropped) {
  std::vector<TokenId> tokens = tokenizer.encode(text, {.add_special = true});
  if (tokens.empty()) return {ErrorCode::kInvalidArgument, "embed: a text has no tokens"};
  if (tokens.size() <= max_tokens) return tokens;
  if (!truncate)
    return {ErrorCode::kInvalidArgument,
            "the input length exceeds the context length: " + std::to_string(tokens.size()) + " tokens, at most " +
                std::to_string(max_tokens)};
  n_dropped = tokens.size() - max_tokens;
  // What the model wants at the end stays at the end.
  const size_t n_after = tokenizer.adds_eos() && tokenizer.eos() >= 0 ? 1 : 0;
  const std::vector<TokenId> after(tokens.end() - static_cast<std::ptrdiff_t>(n_after), tokens.end());
  if (max_tokens <= n_after + 1)
    return {ErrorCode::kInvalidArgument, "input exceeds maximum context length and cannot be truncated further"};
  tokens.resize(max_tokens - n_after);
  tokens.insert(tokens.end(), after.begin(), after.end());
  return tokens;
}

}  // namespace

Result<EmbedInputs> embed_inputs(const nlohmann::ordered_json& request, const tokenizer::Tokenizer& tokenizer,
                                 size_t max_tokens) {
  const auto input = request.find("input");
  const auto truncate = request.find("truncate");
  const bool may_cut = truncate != request.end() && truncate->is_boolean() && truncate->get<bool>();
  if (input == request.end() || !input->is_array() || input->empty())
    return {ErrorCode::kInvalidArgument, "embed: input must be a non-empty array of texts"};
  EmbedInputs inputs;
  if (const auto client = request.find("namespace"); client != request.end() && client->is_string())
    inputs.client = client->get<std::string>();
  if (const auto priority = request.find("priority"); priority != request.end() && priority->is_number_integer())
    inputs.priority = std::clamp(priority->get<int32_t>(), -1, 1);
  for (const auto& text : *input) {
    if (!text.is_string()) return {ErrorCode::kInvalidArgument, "invalid input type"};
    size_t n_dropped = 0;
    DA_ASSIGN_OR_RETURN(auto tokens,
                        encode(text.get_ref<const std::string&>(), tokenizer, max_tokens, may_cut, n_dropped));
    if (n_dropped > 0) inputs.dropped.push_back({inputs.tokens.size(), n_dropped});
    inputs.tokens.push_back(std::move(tokens));
  }
  return inputs;
}

void EmbedRun::start(EmbedInputs given) {
  std::vector<std::vector<TokenId>>& inputs = given.tokens;
  const size_t n_inputs = inputs.size();
  {
    const std::lock_guard lock(mutex_);
    dropped_ = std::move(given.dropped);
    vectors_.resize(n_inputs);
    n_left_ = n_inputs;
    for (const auto& tokens : inputs) n_tokens_ += tokens.size();
  }
  for (size_t i = 0; i < n_inputs; ++i) {
    const auto submitted = engine_.embed(
        {.tokens = std::move(inputs[i]), .client = given.client, .priority = given.priority},
        [self = shared_from_this(), i](Result<std::vector<float>> vector) { self->take(i, std::move(vector)); });
    if (submitted.is_ok()) {
      const std::lock_guard lock(mutex_);
      engine_ids_.push_back(*submitted);
    } else {
      take(i, submitted.status());
    }
  }
}

void EmbedRun::cancel() {
  std::vector<engine::Engine::RequestId> ids;
  {
    const std::lock_guard lock(mutex_);
    ids = engine_ids_;
  }
  for (const auto id : ids) engine_.cancel(id);
}

void EmbedRun::take(size_t input_idx, Result<std::vector<float>> vector) {
  nlohmann::ordered_json message;
  {
    const std::lock_guard lock(mutex_);
    // A float takes up to 22 bytes of the answer, which must fit a frame.
    constexpr size_t kMaxValues = (60U << 20) / 22;
    if (vector.is_ok() && vector->size() * vectors_.size() > kMaxValues)
      vector = Status(ErrorCode::kInvalidArgument,
                      "embed: too many texts for one request, at most " + std::to_string(kMaxValues / vector->size()));
    if (vector.is_ok()) {
      vectors_[input_idx] = std::move(vector).value();
    } else if (status_.is_ok()) {
      status_ = vector.status();
    }
    if (--n_left_ > 0) return;
    if (status_.code() == ErrorCode::kCancelled) {
      message = {{"id", id_}, {"type", "done"}, {"reason", "cancelled"}};
    } else if (!status_.is_ok()) {
      message = error_message(id_, status_);
    } else {
      message = {
          {"id", id_}, {"type", "done"}, {"reason", "stop"}, {"prompt_tokens", n_tokens_}, {"embeddings", vectors_}};
      for (const auto& [input_idx_cut, n_tokens] : dropped_)
        message["dropped"].push_back({{"input", input_idx_cut}, {"tokens", n_tokens}, {"where", "end"}});
    }
  }
  finished_(message);
}

}  // namespace da::runner
