#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "engine/client_shares.h"
#include "engine/kv_pages.h"
#include "engine/paged_sequence.h"
#include "engine/step_plan.h"

namespace da::engine {

// Which tokens of which sequences the next step computes, and in which pages. Pure: knows pages and tokens, no model,
// no clock; tests run it by the thousand under virtual time.
class BatchPlanner {
 public:
  // At most `most_sequences` take part in a step: there may be more, as one that was held leaves its place to another
  // and comes back. Whose clients are present is told to `clients` before each plan.
  BatchPlanner(KvPages& pages, ClientShares& clients, int32_t most_sequences)
      : pages_(pages), clients_(clients), most_sequences_(most_sequences) {}

  struct Part {
    PagedSequence* sequence;
    int32_t first_row, n_rows;
    int32_t output_idx;    // -1: no logits wanted
    int32_t n_drafts = 0;  // the last rows: of the sequence's draft; their logits follow
  };
  struct Plan {
    std::vector<Part> parts;
    std::vector<int32_t> tokens, output_rows;
    std::vector<backend::SequenceRows> sequences;
    // There is no room for these although they have all there is: they must end.
    std::vector<std::pair<PagedSequence*, Status>> failed;
    int32_t n_rows() const { return static_cast<int32_t>(tokens.size()); }
  };

  // `running`: in order of rank, the highest first; it gives way to nobody. Valid until the next call.
  const Plan& plan(std::span<PagedSequence* const> running, StepRows limits);
  // The plan's step was computed: without this it is as if it had not been. Rows of drafts do not count: who takes
  // their tokens counts them.
  void commit(const Plan& plan);
  // Makes what was computed known to others, as far as whole pages go.
  void retain(PagedSequence& sequence);
  void release(PagedSequence& sequence) { pages_.release(sequence.pages); }

  int64_t n_preemptions() const { return n_preemptions_; }
  int64_t n_cached_tokens() const { return n_cached_tokens_; }

 private:
  void list_pending(std::span<PagedSequence* const> running);
  void share(PagedSequence& sequence);
  void step_back(PagedSequence& sequence);
  bool give(std::span<PagedSequence* const> running, size_t self, int32_t n_tokens);
  void give_drafts(int32_t budget_rows);
  PagedSequence* next_to_step_back(std::span<PagedSequence* const> running, size_t self) const;

  KvPages& pages_;
  ClientShares& clients_;
  int32_t most_sequences_;
  Plan plan_;
  // Of the sequences: what they have to feed, how far they were when it was planned; of their clients what they had.
  std::vector<PendingRows> pending_;
  std::vector<int32_t> planned_;
  std::vector<int64_t> served_;
  bool paused_ = false;  // those who write, for one step
  int64_t n_preemptions_ = 0, n_cached_tokens_ = 0;
};

}  // namespace da::engine
