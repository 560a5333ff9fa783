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
    const Status status = pages_.give(sequence.name_space, sequence.pages, n_tokens);
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

// What each sequence has to feed, and how much its client has had.
void BatchPlanner::list_pending(std::span<PagedSequence* const> running) {
  pending_.clear();
  planned_.clear();
  served_.clear();
  std::vector<const std::string*> names;
  int32_t n_available = pages_.n_available();
  int32_t n_taking_part = 0;
  for (PagedSequence* sequence : running) {
    retain(*sequence);
    const bool started = !sequence->pages.empty();
    const int32_t n_in_use = pages_.n_in_use(), n_cached = sequence->n_cached;
    const int64_t n_cached_tokens = n_cached_tokens_;
    if (!sequence->held) share(*sequence);
    // One without pages begins when the pool has room for all of it, beside what those before it still need: or one of
    // them would soon have to step back again.
    const int32_t n_shared = pages_.n_in_use() - n_in_use;  // that nobody used
    const int32_t n_lacking =
        std::max(pages_for(sequence->n_tokens()) - static_cast<int32_t>(sequence->pages.size()), 0);
    const bool may_start = started || n_lacking + n_shared <= n_available || n_taking_part == 0;
    const bool waits = sequence->held || n_taking_part == most_sequences_ || !may_start;
    if (waits && !started) {  // it does not wait with pages that others may need
      pages_.release(sequence->pages);
      sequence->n_computed = sequence->n_retained_pages = 0;
      sequence->n_cached = n_cached;
      n_cached_tokens_ = n_cached_tokens;
    } else {
      n_available -= n_shared + (waits ? 0 : n_lacking);
    }
    PendingRows pending{.prompt = sequence->n_computed < sequence->n_prompt, .priority = sequence->priority};
    if (!waits) {
      ++n_taking_part;
      pending.n_rows = sequence->n_tokens() - sequence->n_computed;
      const auto known =
          std::find_if(names.begin(), names.end(), [&](const std::string* name) { return *name == sequence->client; });
      pending.client = static_cast<int32_t>(known - names.begin());
      if (known == names.end()) {
        names.push_back(&sequence->client);
        served_.push_back(clients_.served(sequence->client));
      }
    }
    pending_.push_back(pending);
    planned_.push_back(sequence->n_computed);
  }
  // Short prompts of those who had less than others go first, but nobody who writes waits twice in a row.
  paused_ = !paused_ && should_pause_writers(pending_, served_);
  if (!paused_) return;
  for (PendingRows& pending : pending_) {
    if (!is_urgent(pending, served_)) pending.n_rows = 0;
  }
}

const BatchPlanner::Plan& BatchPlanner::plan(std::span<PagedSequence* const> running, StepRows limits) {
  plan_.parts.clear();
  plan_.tokens.clear();
  plan_.output_rows.clear();
  plan_.sequences.clear();
  plan_.failed.clear();
  list_pending(running);
  const std::vector<int32_t> rows = plan_step(pending_, served_, limits);
  for (size_t i = 0; i < running.size(); ++i) {
    PagedSequence& sequence = *running[i];
    // Those that stepped back for a higher one since begin anew with the next step.
    if (rows[i] == 0 || sequence.n_computed != planned_[i]) continue;
    if (!give(running, i, planned_[i] + rows[i])) continue;
    plan_.parts.push_back({&sequence, 0, rows[i], rows[i] == pending_[i].n_rows ? 0 : -1});
  }
  give_drafts(limits.most);
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
    if (!pages_.give(sequence.name_space, sequence.pages, sequence.n_tokens() + n_drafts).is_ok()) continue;
    part.n_drafts = n_drafts;
    budget_rows -= n_drafts;
  }
}

void BatchPlanner::commit(const Plan& plan) {
  for (const Part& part : plan.parts) {
    PagedSequence& sequence = *part.sequence;
    const bool reads = sequence.n_computed < sequence.n_prompt;
    sequence.n_computed += part.n_rows - part.n_drafts;
    clients_.charge(sequence.client, (part.n_rows - part.n_drafts) * (reads ? 1 : ClientShares::kWriteCost));
  }
}

}  // namespace da::engine
