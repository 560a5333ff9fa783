#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace da::engine {

// What a running sequence has to feed: tokens not computed yet.
struct PendingRows {
  int32_t n_rows = 0;   // at least 1
  bool prompt = false;  // its prompt is not through yet
};

// Rows each sequence gets of a step's budget, in the same order. Every decoding sequence gets at least one row (the
// budget is no smaller than their number), then what else they have, then the prompts in order of arrival.
std::vector<int32_t> plan_step(std::span<const PendingRows> pending, int32_t budget);

}  // namespace da::engine
