#include "engine/step_budget.h"

#include <algorithm>

namespace da::engine {
namespace {

constexpr double kFading = 0.95;  // weight of the steps before, at each new one

}  // namespace

void StepBudget::observe(int32_t n_rows, double seconds) {
  if (n_rows <= 0 || seconds <= 0) return;
  const double x = n_rows;
  n_ = n_ * kFading + 1;
  rows_ = rows_ * kFading + x;
  seconds_ = seconds_ * kFading + seconds;
  rows_rows_ = rows_rows_ * kFading + x * x;
  rows_seconds_ = rows_seconds_ * kFading + x * seconds;
  const double spread = n_ * rows_rows_ - rows_ * rows_;
  // Steps of about one size say nothing of the slope: then all of it counts as cost of rows, the careful reading.
  double slope = spread > 0.01 * n_ * rows_rows_ ? (n_ * rows_seconds_ - rows_ * seconds_) / spread : seconds_ / rows_;
  slope = std::clamp(slope, 0.0, seconds_ / rows_);
  per_row_seconds_ = slope;
  fixed_seconds_ = std::max(0.0, (seconds_ - slope * rows_) / n_);
}

int32_t StepBudget::rows(int32_t n_computing, int32_t n_writing, double target_seconds) const {
  const bool has_target = target_seconds > 0 && n_writing > 0;
  const double longest = n_computing <= 1 && n_writing == 0 ? kLongestLoneStepSeconds : kLongestStepSeconds;
  const double limit = has_target ? std::min(target_seconds, longest) : longest;
  const int32_t least = std::min(most_rows_, n_writing + kLeastPromptRows);
  if (n_ == 0) return has_target ? std::min(most_rows_, n_writing + kUnknownRows) : most_rows_;
  if (per_row_seconds_ <= 0) return most_rows_;
  const double rows = (limit - fixed_seconds_) / per_row_seconds_;
  if (rows >= most_rows_) return most_rows_;
  return std::clamp(static_cast<int32_t>(std::max(rows, 0.0)), least, most_rows_);
}

bool StepBudget::has_room_for_one_more(int32_t n_writing) const {
  return target_seconds_ <= 0 || n_writing == 0 || n_ == 0 || expected_seconds(n_writing + 1) <= target_seconds_;
}

}  // namespace da::engine
