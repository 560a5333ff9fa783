#include "engine/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

namespace da::engine {
namespace {

using backend::Candidate;

Status out_of_range(const char* name, double value, const char* expected) {
  return {ErrorCode::kInvalidArgument,
          std::string("sampling: ") + name + " is " + std::to_string(value) + ", expected " + expected};
}

// A penalty may be any number, what it makes of a logit stays one.
float bounded(float value) {
  return std::clamp(value, -std::numeric_limits<float>::max(), std::numeric_limits<float>::max());
}

constexpr size_t kBlock = 64;  // tokens at a time: a word of a mask

struct Seen {
  bool above, finite;
};
// Whether one of the values is above `bound`, and whether all are finite. Without a branch for each value, so that
// compilers take many at once.
Seen look_at(const float* values, size_t n, float bound) {
  constexpr uint32_t kExponent = 0x7F800000U;
  uint32_t above = 0, bad = 0;
  for (size_t i = 0; i < n; ++i) {
    above |= values[i] > bound ? 1U : 0U;
    bad |= (std::bit_cast<uint32_t>(values[i]) & kExponent) == kExponent ? 1U : 0U;
  }
  return {above != 0, bad == 0};
}

// By value, of equals the first.
bool is_better(const Candidate& a, const Candidate& b) {
  return a.value != b.value ? a.value > b.value : a.column < b.column;
}

// Keeps the k best, in any order.
void keep_best(std::vector<Candidate>& candidates, size_t k) {
  if (candidates.size() <= k) return;
  std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(k - 1), candidates.end(),
                   is_better);
  candidates.resize(k);
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

bool Sampler::has_penalties() const {
  const bool some =
      params_.repeat_penalty != 1.0F || params_.presence_penalty != 0.0F || params_.frequency_penalty != 0.0F;
  return some && params_.repeat_last_n != 0;
}

void Sampler::penalize(std::span<float> logits, std::span<const int32_t> history) {
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
    logit = bounded(logit <= 0 ? logit * params_.repeat_penalty : logit / params_.repeat_penalty);
    logit = bounded(logit - bounded(count * params_.frequency_penalty + params_.presence_penalty));
  }
}

// The `k` best of the ids that are offered in rising order. A vocabulary has a hundred thousand tokens, and all but a
// few are no better than the worst that is kept.
class Sampler::TopK {
 public:
  TopK(std::span<const float> logits, size_t k, std::vector<Candidate>& best) : logits_(logits), k_(k), best_(best) {}
  void offer(size_t id) {
    if (!(logits_[id] > bound_)) return;
    best_.push_back({static_cast<int32_t>(id), logits_[id]});
    if (best_.size() >= 2 * k_ + kSpare) cut();
  }
  float bound() const { return bound_; }
  void cut() {
    if (best_.size() <= k_) return;
    keep_best(best_, k_);
    bound_ = best_[k_ - 1].value;
  }

 private:
  static constexpr size_t kSpare = 64;
  std::span<const float> logits_;
  size_t k_;
  std::vector<Candidate>& best_;
  float bound_ = -INFINITY;  // no better than this is no candidate
};

// Those that are allowed, the best top_k of them. One way through the logits: of a large vocabulary each costs a
// noticeable share of a step.
bool Sampler::find_candidates(std::span<const float> logits, std::span<const uint64_t> allowed) {
  candidates_.clear();
  const size_t n = logits.size();
  const size_t k = is_greedy(params_) ? 1 : params_.top_k > 0 ? static_cast<size_t>(params_.top_k) : n;
  TopK top(logits, std::min(k, n), candidates_);
  for (size_t begin = 0; begin < n; begin += kBlock) {
    const size_t left = std::min(n - begin, kBlock);
    const Seen seen = look_at(logits.data() + begin, left, top.bound());
    if (!seen.finite) return false;
    if (!seen.above) continue;
    uint64_t word = allowed.empty() ? ~uint64_t{0} : allowed[begin / kBlock];
    if (left < kBlock) word &= (uint64_t{1} << left) - 1;
    for (; word != 0; word &= word - 1) top.offer(begin + static_cast<size_t>(std::countr_zero(word)));
  }
  top.cut();
  return true;
}

void Sampler::softmax(float temperature) {
  float largest = -INFINITY;
  for (const Candidate& candidate : candidates_) largest = std::max(largest, candidate.value);
  probabilities_.resize(candidates_.size());
  double sum = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    probabilities_[i] = std::exp((candidates_[i].value - largest) / temperature);
    sum += static_cast<double>(probabilities_[i]);
  }
  for (float& probability : probabilities_) probability = static_cast<float>(static_cast<double>(probability) / sum);
}

void Sampler::keep_top_p() {
  if (params_.top_p >= 1.0F) return;
  std::sort(candidates_.begin(), candidates_.end(), is_better);
  softmax(1.0F);
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

int32_t Sampler::sample(std::span<const float> logits, std::span<const uint64_t> allowed,
                        std::span<const int32_t> history) {
  if (has_penalties()) {
    if (!look_at(logits.data(), logits.size(), 0).finite) return -1;
    penalized_.assign(logits.begin(), logits.end());
    penalize(penalized_, history);
    logits = penalized_;
  }
  if (!find_candidates(logits, allowed)) return -1;
  return draw();
}

int32_t Sampler::n_candidates() const {
  if (has_penalties()) return 0;
  return is_greedy(params_) ? 1 : std::max(params_.top_k, 0);
}

int32_t Sampler::sample(std::span<const Candidate> largest) {
  if (largest.empty() || largest[0].column < 0) return -1;
  candidates_.assign(largest.begin(), largest.end());
  keep_best(candidates_, static_cast<size_t>(n_candidates()));
  return draw();
}

int32_t Sampler::draw() {
  if (candidates_.empty()) return -1;
  if (is_greedy(params_)) return candidates_[0].column;
  // The order, in which sums are rounded, does not depend on how they were selected.
  const auto by_column = [](const Candidate& a, const Candidate& b) { return a.column < b.column; };
  if (!std::is_sorted(candidates_.begin(), candidates_.end(), by_column))
    std::sort(candidates_.begin(), candidates_.end(), by_column);
  softmax(1.0F);
  keep_top_p();
  keep_min_p();
  std::sort(candidates_.begin(), candidates_.end(), by_column);
  softmax(params_.temperature);
  // 53 random bits: the standard distributions differ between libraries, this does not.
  const double at = static_cast<double>(random_() >> 11) * 0x1p-53;
  double sum = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    sum += static_cast<double>(probabilities_[i]);
    if (at < sum) return candidates_[i].column;
  }
  return candidates_[static_cast<size_t>(std::max_element(probabilities_.begin(), probabilities_.end()) -
                                         probabilities_.begin())]
      .column;
}

}  // namespace da::engine
