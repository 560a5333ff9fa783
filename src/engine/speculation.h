#pragma once

#include <cstdint>
#include <span>

namespace da::engine {

// Tokens are guessed, and checked in the step that would have made one: the rows of the guess are computed behind the
// sequence's own, and as many tokens are taken as the model would have chosen anyhow. A row costs time, so it has to be
// worth it: see choose_draft_lengths.

inline constexpr int32_t kMostDraftTokens = 16;  // of a sequence in a step
inline constexpr int32_t kMostDraftRows = 32;    // of a step

// What a step costs by its rows, learnt from steps that computed no prompts. Pure.
class StepCost {
 public:
  void observe(int32_t n_rows, double seconds);
  bool known() const { return weight_ > 0; }
  double seconds(int32_t n_rows) const;
  double row_seconds() const;  // of one row more

 private:
  double weight_ = 0, rows_ = 0, seconds_ = 0, rows_spread_ = 0, joint_spread_ = 0;  // means, fading
};

// A sequence that has a guess of up to `most` tokens, each right with chance `acceptance` if those before it are.
struct DraftCandidate {
  double acceptance = 0;
  int32_t most = 0;
  int32_t n = 0;  // the answer
};

// The lengths at which a step of `n_writing` sequences makes the most tokens a second. With many sequences, or a guess
// that is rarely right, that is none.
void choose_draft_lengths(std::span<DraftCandidate> candidates, int32_t n_writing, const StepCost& cost);

}  // namespace da::engine
