#include "engine/step_plan.h"

#include <algorithm>

namespace da::engine {
namespace {

// Clients' prompts take turns of at least so many rows: a page.
constexpr int64_t kTurnRows = 32;

// With several clients: steps need not be shorter than this, and with others' prompts take so much longer at most.
constexpr double kShortStepSeconds = 0.005, kCompanyCost = 1.5;

// A row beside a prompt of so many rows costs it little.
constexpr int32_t kRowsThatBearCompany = 8;

// One step's rows being given out.
class Giving {
 public:
  Giving(std::span<const PendingRows> pending, std::span<const int64_t> served, StepRows limits)
      : pending_(pending), served_(served.begin(), served.end()), limits_(limits), rows_(pending.size(), 0) {}

  void to_writers() {
    for (const int32_t most : {1, INT32_MAX}) {
      for (size_t i = 0; i < pending_.size(); ++i) {
        if (!pending_[i].prompt) give(i, most, limits_.most);
      }
    }
  }

  void to_prompts() {
    for (size_t i = next(); i < pending_.size(); i = next()) {
      const int64_t turn = std::max(kTurnRows, lead(pending_[i].client));
      give(i, static_cast<int32_t>(std::min<int64_t>(turn, INT32_MAX)), limit(i));
      done_.resize(pending_.size(), false);
      if (n_given_ >= limit(i)) done_[i] = true;
    }
  }

  std::vector<int32_t> take() { return std::move(rows_); }

 private:
  void give(size_t i, int32_t most, int32_t limit) {
    const int32_t more = std::max(std::min({pending_[i].n_rows - rows_[i], most, limit - n_given_}), 0);
    if (more == 0) return;  // one that does not take part has no client
    rows_[i] += more;
    n_given_ += more;
    served_[static_cast<size_t>(pending_[i].client)] += more;
  }

  // How far the client is behind the next of those whose prompts wait.
  int64_t lead(int32_t client) const {
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < pending_.size(); ++i) {
      if (wants(i) && pending_[i].client != client) least = std::min(least, served_of(i));
    }
    return least == INT64_MAX ? least : least - served_[static_cast<size_t>(client)];
  }

  int64_t served_of(size_t i) const { return served_[static_cast<size_t>(pending_[i].client)]; }
  bool wants(size_t i) const {
    return pending_[i].prompt && rows_[i] < pending_[i].n_rows && (done_.empty() || !done_[i]);
  }

  size_t next() const {
    size_t best = pending_.size();
    for (size_t i = 0; i < pending_.size(); ++i) {
      if (!wants(i)) continue;
      const bool first = best == pending_.size() || pending_[i].priority > pending_[best].priority ||
                         (pending_[i].priority == pending_[best].priority && served_of(i) < served_of(best));
      if (first) best = i;
    }
    return best;
  }

  bool others_take_part(int32_t client) const {
    for (size_t i = 0; i < pending_.size(); ++i) {
      if (pending_[i].client != client && (rows_[i] > 0 || (!pending_[i].prompt && pending_[i].n_rows > 0)))
        return true;
    }
    return false;
  }
  int32_t limit(size_t i) const {
    if (is_urgent(pending_[i], begun_)) return limits_.most;
    return others_take_part(pending_[i].client) ? std::min(limits_.shared, limits_.most) : limits_.most;
  }

  std::span<const PendingRows> pending_;
  std::vector<int64_t> served_;
  const std::vector<int64_t> begun_ = served_;
  StepRows limits_;
  std::vector<int32_t> rows_;
  std::vector<bool> done_;  // the step is as long as it may be for these
  int32_t n_given_ = 0;
};

}  // namespace

StepRows step_rows(const StepBudget& budget, int32_t n_computing, int32_t n_writing) {
  const int32_t most = budget.rows(n_computing, n_writing);
  const double company = std::max(kShortStepSeconds, kCompanyCost * budget.expected_seconds(n_writing));
  const double target = budget.target_seconds() > 0 ? std::min(budget.target_seconds(), company) : company;
  // Who reads a short prompt counts as one who writes.
  return {.most = most, .shared = std::min(budget.rows(n_computing, std::max(n_writing, 1), target), most)};
}

bool is_worth_giving_up(std::chrono::nanoseconds run, std::chrono::nanoseconds left, std::chrono::nanoseconds lost,
                        std::chrono::nanoseconds all) {
  constexpr std::chrono::milliseconds kWorthIt(5);
  constexpr int kMostLostShare = 10;  // a tenth
  return left >= kWorthIt && (lost + run) * kMostLostShare <= all;
}

bool is_urgent(const PendingRows& one, std::span<const int64_t> served) {
  if (!one.prompt || one.n_rows == 0 || served.size() < 2) return false;
  int64_t least = INT64_MAX;
  for (size_t client = 0; client < served.size(); ++client) {
    if (static_cast<int32_t>(client) != one.client) least = std::min(least, served[client]);
  }
  return one.n_rows <= least - served[static_cast<size_t>(one.client)];
}

bool should_pause_writers(std::span<const PendingRows> pending, std::span<const int64_t> served) {
  int32_t n_urgent = 0, n_writing = 0;
  for (const PendingRows& one : pending) {
    if (is_urgent(one, served)) n_urgent += one.n_rows;
    if (!one.prompt && one.n_rows > 0) ++n_writing;
  }
  return n_urgent > 0 && n_writing * kRowsThatBearCompany > n_urgent;
}

std::vector<int32_t> plan_step(std::span<const PendingRows> pending, std::span<const int64_t> served, StepRows limits) {
  Giving giving(pending, served, limits);
  giving.to_writers();
  giving.to_prompts();
  return giving.take();
}

}  // namespace da::engine
