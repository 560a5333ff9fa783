#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace da::engine {
namespace {

Status out_of_range(const char* name, double value, const char* expected) {
  return {ErrorCode::kInvalidArgument,
          std::string("sampling: ") + name + " is " + std::to_string(value) + ", expected " + expected};
}

}  // namespace

Status validate(const SamplingParams& p) {
  if (!(p.temperature >= 0 && p.temperature <= 1000)) return out_of_range("temperature", p.temperature, "0 to 1000");
  if (!(p.top_p >= 0 && std::isfinite(p.top_p))) return out_of_range("top_p", p.top_p, "a number from 0 on");
  if (!(p.min_p >= 0 && p.min_p <= 1)) return out_of_range("min_p", p.min_p, "0 to 1");
  if (!(p.repeat_penalty > 0 && std::isfinite(p.repeat_penalty)))
    return out_of_range("repeat_penalty", p.repeat_penalty, "a positive number");
  if (!std::isfinite(p.presence_penalty)) return out_of_range("presence_penalty", p.presence_penalty, "a number");
  if (!std::isfinite(p.frequency_penalty)) return out_of_range("frequency_penalty", p.frequency_penalty, "a number");
  return Status::ok();
}

bool is_plain_greedy(const SamplingParams& p) {
  return is_greedy(p) && p.repeat_penalty == 1.0F && p.presence_penalty == 0.0F && p.frequency_penalty == 0.0F;
}

Sampler::Sampler(const SamplingParams& params)
    : params_(params), random_(params.seed >= 0 ? static_cast<uint64_t>(params.seed) : std::random_device{}()) {}

void Sampler::penalize(std::span<float> logits, std::span<const int32_t> history) {
  const bool penalties =
      params_.repeat_penalty != 1.0F || params_.presence_penalty != 0.0F || params_.frequency_penalty != 0.0F;
  if (!penalties || params_.repeat_last_n == 0) return;
  const size_t window =
      params_.repeat_last_n < 0 ? history.size() : std::min(history.size(), static_cast<size_t>(params_.repeat_last_n));
  recent_.assign(history.end() - static_cast<std::ptrdiff_t>(window), history.end());
  std::sort(recent_.begin(), recent_.end());
  for (size_t i = 0; i < recent_.size();) {
    const int32_t id = recent_[i];
    float count = 0;
    for (; i < recent_.size() && recent_[i] == id; ++i) ++count;
    if (id < 0 || static_cast<size_t>(id) >= logits.size()) continue;
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit <= 0 ? logit * params_.repeat_penalty : logit / params_.repeat_penalty;
    logit -= count * params_.frequency_penalty + params_.presence_penalty;
  }
}

void Sampler::keep_top_k(std::span<const float> logits) {
  const size_t k = params_.top_k <= 0 ? candidates_.size() : static_cast<size_t>(params_.top_k);
  if (k >= candidates_.size()) return;
  std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k), candidates_.end(),
                   [&](int32_t a, int32_t b) {
                     const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
                     return x != y ? x > y : a < b;
                   });
  candidates_.resize(k);
}

void Sampler::softmax(std::span<const float> logits, float temperature) {
  float largest = -INFINITY;
  for (const int32_t id : candidates_) largest = std::max(largest, logits[static_cast<size_t>(id)]);
  probabilities_.resize(candidates_.size());
  double sum = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    probabilities_[i] = std::exp((logits[static_cast<size_t>(candidates_[i])] - largest) / temperature);
    sum += static_cast<double>(probabilities_[i]);
  }
  for (float& probability : probabilities_) probability = static_cast<float>(static_cast<double>(probability) / sum);
}

void Sampler::keep_top_p(std::span<const float> logits) {
  if (params_.top_p >= 1.0F) return;
  std::sort(candidates_.begin(), candidates_.end(), [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  softmax(logits, 1.0F);
  float sum = 0;
  size_t kept = 0;
  while (kept < candidates_.size()) {
    sum += probabilities_[kept++];
    if (sum >= params_.top_p) break;
  }
  candidates_.resize(kept);
  probabilities_.resize(kept);
}

void Sampler::keep_min_p() {
  if (params_.min_p <= 0) return;
  const float bound = params_.min_p * *std::max_element(probabilities_.begin(), probabilities_.end());
  size_t kept = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (probabilities_[i] >= bound) candidates_[kept++] = candidates_[i];
  }
  candidates_.resize(kept);
}

int32_t Sampler::sample(std::span<float> logits, std::span<const uint64_t> allowed, std::span<const int32_t> history) {
  for (const float logit : logits) {
    if (!std::isfinite(logit)) return -1;
  }
  penalize(logits, history);
  candidates_.clear();
  for (size_t id = 0; id < logits.size(); ++id) {
    if (allowed.empty() || (allowed[id / 64] >> (id % 64) & 1) != 0) candidates_.push_back(static_cast<int32_t>(id));
  }
  if (candidates_.empty()) return -1;
  if (is_greedy(params_)) {
    int32_t best = candidates_[0];
    for (const int32_t id : candidates_) {
      if (logits[static_cast<size_t>(id)] > logits[static_cast<size_t>(best)]) best = id;
    }
    return best;
  }
  keep_top_k(logits);
  softmax(logits, 1.0F);
  keep_top_p(logits);
  keep_min_p();
  std::sort(candidates_.begin(), candidates_.end());  // so that a draw does not depend on how they were selected
  softmax(logits, params_.temperature);
  // 53 random bits: the standard distributions differ between libraries, this does not.
  const double draw = static_cast<double>(random_() >> 11) * 0x1p-53;
  double sum = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    sum += static_cast<double>(probabilities_[i]);
    if (draw < sum) return candidates_[i];
  }
  return candidates_[static_cast<size_t>(std::max_element(probabilities_.begin(), probabilities_.end()) -
                                         probabilities_.begin())];
}

}  // namespace da::engine
