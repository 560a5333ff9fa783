#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/step_budget.h"

namespace da::engine {

// What a running sequence has to feed: tokens not computed yet.
struct PendingRows {
  int32_t n_rows = 0;    // 0: it does not take part
  bool prompt = false;   // its prompt is not through yet
  int32_t client = 0;    // index into `served`
  int32_t priority = 0;  // of its prompt
};

struct StepRows {
  int32_t most = 0;    // of a step; no fewer than sequences that write
  int32_t shared = 0;  // to which one client's prompts lengthen a step in which others take part
};

// For a step of `n_computing` requests, `n_writing` of which write a token each. With several clients a step in which
// one takes part is not made much longer by the prompts of others.
StepRows step_rows(const StepBudget& budget, int32_t n_computing, int32_t n_writing);

// A step of one client's long prompts may take seconds: whether to begin it again with another's newcomer in it, when
// it has run for so long and would for so long yet. `lost`: by such steps until now; `all`: of all steps.
bool is_worth_giving_up(std::chrono::nanoseconds run, std::chrono::nanoseconds left, std::chrono::nanoseconds lost,
                        std::chrono::nanoseconds all);

// Rows each sequence gets of a step, in the same order. Every sequence that writes gets at least one row, then what
// else they have, then the prompts: by priority, then in turns of the client that was served least, of one client in
// order of arrival. A prompt that is no longer than what its client is behind all others is urgent: it is computed
// before anything else, up to `most`. `served`: tokens of each client that takes part.
std::vector<int32_t> plan_step(std::span<const PendingRows> pending, std::span<const int64_t> served, StepRows limits);

// Whether those who write should leave this step to urgent prompts of others, which are so short that company would
// cost them much. The caller sees to it that nobody waits twice in a row.
bool should_pause_writers(std::span<const PendingRows> pending, std::span<const int64_t> served);
// Of one sequence; see plan_step.
bool is_urgent(const PendingRows& one, std::span<const int64_t> served);

}  // namespace da::engine
