#include "engine/step_plan.h"

#include <algorithm>

namespace da::engine {

std::vector<int32_t> plan_step(std::span<const PendingRows> pending, int32_t budget) {
  std::vector<int32_t> rows(pending.size(), 0);
  const auto give = [&](bool prompt, int32_t most) {
    for (size_t i = 0; i < pending.size(); ++i) {
      if (pending[i].prompt != prompt) continue;
      const int32_t more = std::min({pending[i].n_rows - rows[i], most, budget});
      rows[i] += more;
      budget -= more;
    }
  };
  give(false, 1);
  give(false, INT32_MAX);
  give(true, INT32_MAX);
  return rows;
}

}  // namespace da::engine
