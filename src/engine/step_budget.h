#pragma once

#include <cstdint>

namespace da::engine {

// How many rows a step may have, so that it does not take too long: the time of a step is learnt from those before it,
// as fixed + rows * per_row. Without a target a step may take kLongestStepSeconds, which bounds how long the others
// wait for its end; a prompt that is alone may take larger ones, which read the weights less often. With a target, a
// step that writes tokens is to end within it. Pure.
class StepBudget {
 public:
  static constexpr double kLongestStepSeconds = 1.0;
  static constexpr double kLongestLoneStepSeconds = 3.0;  // how long a newcomer may have to wait
  static constexpr int32_t kLeastPromptRows = 16;         // of a step: prompts always go on
  static constexpr int32_t kUnknownRows = 64;             // with a target, before anything is known

  explicit StepBudget(int32_t most_rows) : most_rows_(most_rows) {}

  void set_target_seconds(double seconds) { target_seconds_ = seconds; }  // between two tokens of a request; 0: none
  // For a step of `n_computing` requests, `n_writing` of which write a token each.
  int32_t rows(int32_t n_computing, int32_t n_writing) const { return rows(n_computing, n_writing, target_seconds_); }
  // The same with another target.
  int32_t rows(int32_t n_computing, int32_t n_writing, double target_seconds) const;
  double target_seconds() const { return target_seconds_; }
  // Whether one more may write beside `n_writing` within the target.
  bool has_room_for_one_more(int32_t n_writing) const;
  void observe(int32_t n_rows, double seconds);

  double expected_seconds(int32_t n_rows) const { return fixed_seconds_ + per_row_seconds_ * n_rows; }

 private:
  int32_t most_rows_;
  double target_seconds_ = 0;
  // Sums over steps, older ones fading: of a straight line through (rows, seconds).
  double n_ = 0, rows_ = 0, seconds_ = 0, rows_rows_ = 0, rows_seconds_ = 0;
  double fixed_seconds_ = 0, per_row_seconds_ = 0;
};

}  // namespace da::engine
