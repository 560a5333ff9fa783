#include "engine/batch_planner.h"

#include <algorithm>

#include "engine/step_plan.h"

namespace da::engine {

void PagedSequence::drop_tokens(int32_t first, int32_t count) {
  tokens.erase(tokens.begin() + first, tokens.begin() + first + count);
  if (n_prompt > first) n_prompt = std::max(first, n_prompt - count);
  n_computed = n_retained_pages = 0;
}

void BatchPlanner::retain(PagedSequence& sequence) {
  const int32_t n_full = sequence.n_computed / backend::kPageTokens;
  if (n_full <= sequence.n_retained_pages) return;
  const std::span<const int32_t> tokens = sequence.tokens;
  pages_.retain(sequence.name_space, tokens.first(static_cast<size_t>(n_full) * backend::kPageTokens), sequence.pages);
  sequence.n_retained_pages = n_full;
}

// What others computed for the same beginning.
void BatchPlanner::share(PagedSequence& sequence) {
  const bool at_page_end = static_cast<int32_t>(sequence.pages.size()) * backend::kPageTokens == sequence.n_computed;
  if (!at_page_end || sequence.n_computed >= sequence.n_prompt) return;
  // The last token is computed in any case: its logits are wanted.
  const std::span<const int32_t> tokens = sequence.tokens;
  pages_.share(sequence.name_space, tokens.first(tokens.size() - 1), sequence.pages);
  const auto n_shared = static_cast<int32_t>(sequence.pages.size()) * backend::kPageTokens;
  if (n_shared == sequence.n_computed) return;
  n_cached_tokens_ += n_shared - sequence.n_computed;
  sequence.n_cached += std::min(n_shared, sequence.n_prompt) - std::min(sequence.n_computed, sequence.n_prompt);
  sequence.n_computed = n_shared;
  sequence.n_retained_pages = static_cast<int32_t>(sequence.pages.size());
}

void BatchPlanner::step_back(PagedSequence& sequence) {
  pages_.release(sequence.pages);
  sequence.n_computed = sequence.n_retained_pages = 0;
  ++n_preemptions_;
}

// Who gives its pages to `self`: one whose reader is behind, else the lowest in rank below it.
PagedSequence* BatchPlanner::next_to_step_back(std::span<PagedSequence* const> running, size_t self) const {
  PagedSequence* lowest = nullptr;
  for (size_t i = running.size(); i-- > 0;) {
    if (i == self || running[i]->pages.empty()) continue;
    if (running[i]->held) return running[i];
    if (i > self && lowest == nullptr) lowest = running[i];
  }
  return lowest;
}

// Pages for one sequence, taken from others if there is no other way. False: not this time, or it has failed.
bool BatchPlanner::give(std::span<PagedSequence* const> running, size_t self, int32_t n_tokens) {
  PagedSequence& sequence = *running[self];
  for (;;) {
    const Status status = pages_.give(sequence.pages, n_tokens);
    if (status.is_ok()) return true;
    if (PagedSequence* other = next_to_step_back(running, self)) {
      step_back(*other);
      continue;
    }
    const bool others_have = std::any_of(running.begin(), running.begin() + static_cast<std::ptrdiff_t>(self),
                                         [](const PagedSequence* other) { return !other->pages.empty(); });
    if (others_have) {
      step_back(sequence);
    } else {
      plan_.failed.emplace_back(&sequence, status);
    }
    return false;
  }
}

const BatchPlanner::Plan& BatchPlanner::plan(std::span<PagedSequence* const> running, int32_t budget_rows) {
  plan_.parts.clear();
  plan_.tokens.clear();
  plan_.output_rows.clear();
  plan_.sequences.clear();
  plan_.failed.clear();
  std::vector<PendingRows> pending;
  planned_.clear();
  int32_t n_available = pages_.n_available();
  int32_t n_taking_part = 0;
  for (PagedSequence* sequence : running) {
    retain(*sequence);
    if (!sequence->held) share(*sequence);
    // One without pages begins when the pool has room for all of it, or it would soon have to step back again.
    const bool starts = sequence->pages.empty(), fits = pages_for(sequence->n_tokens()) <= n_available;
    const bool waits = sequence->held || n_taking_part == most_sequences_ || (starts && !fits && n_taking_part > 0);
    if (starts && !waits) n_available -= pages_for(sequence->n_tokens());
    if (!waits) ++n_taking_part;
    pending.push_back(
        {waits ? 0 : sequence->n_tokens() - sequence->n_computed, sequence->n_computed < sequence->n_prompt});
    planned_.push_back(sequence->n_computed);
  }
  const std::vector<int32_t> rows = plan_step(pending, budget_rows);
  for (size_t i = 0; i < running.size(); ++i) {
    PagedSequence& sequence = *running[i];
    // Those that stepped back for a higher one since begin anew with the next step.
    if (rows[i] == 0 || sequence.n_computed != planned_[i]) continue;
    if (!give(running, i, planned_[i] + rows[i])) continue;
    plan_.parts.push_back({&sequence, 0, rows[i], rows[i] == pending[i].n_rows ? 0 : -1});
  }
  give_drafts(budget_rows);
  for (Part& part : plan_.parts) {
    const PagedSequence& sequence = *part.sequence;
    part.first_row = plan_.n_rows();
    const auto begin = sequence.tokens.begin() + sequence.n_computed;
    plan_.tokens.insert(plan_.tokens.end(), begin, begin + part.n_rows);
    part.n_rows += part.n_drafts;
    plan_.tokens.insert(plan_.tokens.end(), sequence.draft.begin(), sequence.draft.begin() + part.n_drafts);
    if (part.output_idx < 0) continue;
    part.output_idx = static_cast<int32_t>(plan_.output_rows.size());
    for (int32_t row = plan_.n_rows() - 1 - part.n_drafts; row < plan_.n_rows(); ++row)
      plan_.output_rows.push_back(row);
  }
  // Only now: giving pages to one may have moved another's.
  for (const Part& part : plan_.parts) {
    const PagedSequence& sequence = *part.sequence;
    plan_.sequences.push_back({part.first_row, part.n_rows, sequence.n_computed, sequence.pages, sequence.is_far});
  }
  return plan_;
}

// Drafts behind the parts that reach their sequence's end, in rows and pages that nobody else wants.
void BatchPlanner::give_drafts(int32_t budget_rows) {
  for (const Part& part : plan_.parts) budget_rows -= part.n_rows;
  for (Part& part : plan_.parts) {
    PagedSequence& sequence = *part.sequence;
    const auto n_drafts = static_cast<int32_t>(sequence.draft.size());
    if (part.output_idx < 0 || n_drafts == 0 || n_drafts > budget_rows) continue;
    if (!pages_.give(sequence.pages, sequence.n_tokens() + n_drafts).is_ok()) continue;
    part.n_drafts = n_drafts;
    budget_rows -= n_drafts;
  }
}

void BatchPlanner::commit(const Plan& plan) {
  for (const Part& part : plan.parts) part.sequence->n_computed += part.n_rows - part.n_drafts;
}

}  // namespace da::engine
