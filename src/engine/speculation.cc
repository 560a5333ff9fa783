#include "engine/speculation.h"

#include <algorithm>

namespace da::engine {
namespace {

constexpr double kLearning = 0.05;        // weight of a new step
constexpr double kUnknownRowShare = 0.1;  // of a step, for one row more, before steps of other sizes were seen

}  // namespace

void StepCost::observe(int32_t n_rows, double seconds) {
  if (n_rows <= 0 || seconds <= 0) return;
  const double share = weight_ == 0 ? 1 : std::max(kLearning, 1 / (weight_ + 1));
  weight_ += 1;
  const double rows_off = n_rows - rows_, seconds_off = seconds - seconds_;
  rows_ += share * rows_off;
  seconds_ += share * seconds_off;
  rows_spread_ = (1 - share) * (rows_spread_ + share * rows_off * rows_off);
  joint_spread_ = (1 - share) * (joint_spread_ + share * rows_off * seconds_off);
}

double StepCost::row_seconds() const {
  if (!known()) return 0;
  const double most = seconds_ / rows_;  // then nothing is left for the step itself
  const double share = rows_spread_ > 0.1 ? joint_spread_ / rows_spread_ : kUnknownRowShare * most;
  return std::clamp(share, 0.0, most);
}

double StepCost::seconds(int32_t n_rows) const { return seconds_ + row_seconds() * (n_rows - rows_); }

void choose_draft_lengths(std::span<DraftCandidate> candidates, int32_t n_writing, const StepCost& cost) {
  for (DraftCandidate& candidate : candidates) candidate.n = 0;
  if (!cost.known()) return;
  double tokens = n_writing, seconds = cost.seconds(n_writing);
  const double row_seconds = cost.row_seconds();
  // The next token of a guess comes with the chance that all before it are right too.
  for (int32_t n_rows = 0; n_rows < kMostDraftRows; ++n_rows) {
    DraftCandidate* best = nullptr;
    double best_gain = 0;
    for (DraftCandidate& candidate : candidates) {
      if (candidate.n >= candidate.most) continue;
      double gain = 1;
      for (int32_t i = 0; i <= candidate.n; ++i) gain *= candidate.acceptance;
      if (gain > best_gain) {
        best = &candidate;
        best_gain = gain;
      }
    }
    if (best == nullptr || best_gain * seconds <= tokens * row_seconds) return;
    ++best->n;
    tokens += best_gain;
    seconds += row_seconds;
  }
}

}  // namespace da::engine
