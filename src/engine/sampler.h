#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "backend/candidate.h"
#include "base/result.h"

namespace da::engine {

// Ollama's names and defaults.
struct SamplingParams {
  float temperature = 0.8F;  // 0: greedy
  int32_t top_k = 40;        // 0: off
  float top_p = 0.9F;
  float min_p = 0.0F;
  float repeat_penalty = 1.0F;  // 1: off
  int32_t repeat_last_n = 64;   // 0: off, -1: the whole context
  float presence_penalty = 0.0F;
  float frequency_penalty = 0.0F;
  int64_t seed = -1;  // negative: random
};

// kInvalidArgument names the parameter that is not a number or out of range.
Status validate(const SamplingParams& params);
inline bool is_greedy(const SamplingParams& params) { return params.temperature <= 0; }
// True if the largest logit is the answer whatever came before.
bool is_plain_greedy(const SamplingParams& params);

// Draws tokens from logits. The order is llama.cpp's: penalties, top_k, top_p, min_p, temperature.
class Sampler {
 public:
  explicit Sampler(const SamplingParams& params);
  // `logits` [n_vocab]. `allowed`: bit mask of tokens, empty for all. `history`: prompt and output so far. Ties go to
  // the lowest id. Returns -1 if nothing is allowed or a logit is not finite.
  int32_t sample(std::span<const float> logits, std::span<const uint64_t> allowed, std::span<const int32_t> history);
  // How many of the largest logits are enough to draw from, all tokens being allowed; 0: all are needed.
  int32_t n_candidates() const;
  // The same token from those alone (and perhaps more), in any order; a column below 0 means that a logit is not
  // finite.
  int32_t sample(std::span<const backend::Candidate> largest);

 private:
  bool has_penalties() const;
  void penalize(std::span<float> logits, std::span<const int32_t> history);
  class TopK;
  // False: a logit is not finite.
  bool find_candidates(std::span<const float> logits, std::span<const uint64_t> allowed);
  // Draws from candidates_.
  int32_t draw();
  // Both need probabilities_ of candidates_.
  void keep_top_p();
  void keep_min_p();
  void softmax(float temperature);

  SamplingParams params_;
  std::mt19937_64 random_;
  std::vector<backend::Candidate> candidates_;
  std::vector<float> probabilities_;  // of candidates_
  std::vector<int32_t> recent_;
  std::vector<float> penalized_;
};

}  // namespace da::engine
