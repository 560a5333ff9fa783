#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace da::engine {

// Ollama's names and defaults.
struct SamplingParams {
  float temperature = 0.8F;     // 0: greedy
  int32_t top_k = 40;           // 0: off
  float top_p = 0.9F;
  float min_p = 0.0F;
  float repeat_penalty = 1.0F;  // 1: off
  int32_t repeat_last_n = 64;   // 0: off, -1: the whole context
  float presence_penalty = 0.0F;
  float frequency_penalty = 0.0F;
  int64_t seed = -1;            // negative: random
};

// Draws tokens from logits. The order is llama.cpp's: penalties, top_k, top_p, min_p, temperature.
class Sampler {
 public:
  explicit Sampler(const SamplingParams& params);
  // `logits` [n_vocab] is scratch. `allowed`: bit mask of tokens, empty for all. `history`: prompt and output so far.
  // Ties go to the lowest id. Returns -1 if nothing is allowed or a logit is not finite.
  int32_t sample(std::span<float> logits, std::span<const uint64_t> allowed, std::span<const int32_t> history);

 private:
  SamplingParams params_;
  std::mt19937_64 random_;
  std::vector<int32_t> candidates_;
  std::vector<float> probabilities_;
};

}  // namespace da::engine
