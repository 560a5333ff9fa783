#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/grammar/grammar.h"
#include "engine/output_text.h"
#include "engine/paged_sequence.h"
#include "engine/prompt_lookup.h"
#include "engine/sampler.h"
#include "tokenizer/tokenizer.h"

namespace da::engine {

// A vocabulary as sequences see it. Outlives them.
struct Vocabulary {
  const tokenizer::Tokenizer* tokenizer = nullptr;
  const grammar::TokenTrie* trie = nullptr;  // set before the first sequence with a grammar
  std::vector<int32_t> end_tokens;           // end of generation
  int32_t context_tokens = 0;
  int32_t near_context = 0;  // of the model's hyper-parameters
};

struct Finish {
  FinishReason reason = FinishReason::kStop;
  Status error;
};

// One request on its way: its tokens, its place in the grammar, its text. Pages and batches are the planner's business.
class Sequence : public PagedSequence {
 public:
  Sequence(Engine::RequestId id, GenerateRequest request, UpdateCallback callback, const Vocabulary& vocabulary);

  Engine::RequestId id() const { return id_; }
  bool needs_logits() const { return forced_ < 0; }  // false: the grammar leaves one token, sampling would find it
  bool can_choose() const { return mask_error_.is_ok(); }  // false: the grammar leaves no token
  bool plain_greedy() const { return mask_.empty() && is_plain_greedy(params_); }
  // How many of the largest logits are enough for choose(); 0: all are needed.
  int32_t n_candidates() const { return mask_.empty() ? sampler_.n_candidates() : 0; }

  // Of a token's logits what there is: the largest one's id, so many of the largest, or all.
  struct Logits {
    int32_t greedy_choice = -1;
    std::span<const backend::Candidate> largest;
    std::span<const float> all;
  };
  // The next token: forced, the greedy choice (if plain_greedy), or drawn. -1: a logit is not finite, or !can_choose().
  int32_t choose(const Logits& logits);
  // Takes the token and those that the grammar forces after it. Nullopt: goes on.
  std::optional<Finish> accept(int32_t token);

  // Puts a guess of what comes next into `draft`, as far as the grammar allows it; empty where there is none.
  void guess_draft(int32_t most);
  double draft_acceptance() const { return lookup_.acceptance(draft_matched_); }
  // How many of the draft's first tokens the sequence has taken since it had `n_before` tokens.
  int32_t n_drafts_taken(int32_t n_before, int32_t n_drafts) const;
  // What became of a draft that was computed.
  void judge_draft(int32_t n_drafts, int32_t n_taken, bool finished);

  void report_prefill(int32_t n_done);
  void report_text();                          // what is ready, if anything
  void report_finished(const Finish& finish);  // once, last

  int32_t n_generated() const { return n_generated_; }

 private:
  std::optional<Finish> accept_one(int32_t token);
  // The tokens the grammar allows next, and whether it leaves only one. An error if none.
  Status update_mask();
  int32_t tokens_left() const;  // that may still be generated
  void shift_if_full();

  Engine::RequestId id_;
  UpdateCallback callback_;
  const Vocabulary& vocabulary_;
  SamplingParams params_;
  Sampler sampler_;
  int32_t max_tokens_, context_tokens_;
  bool shift_;
  int32_t keep_tokens_;
  bool ignores_end_;
  std::vector<tokenizer::TokenId> written_tokens_;
  const int32_t n_prompt_sent_;
  int32_t n_generated_ = 0, n_shifted_ = 0;
  std::optional<grammar::Matcher> matcher_;
  std::vector<uint64_t> mask_;  // empty without a grammar
  int32_t forced_ = -1;         // the only token in the mask
  Status mask_error_;
  OutputText text_;
  std::vector<int32_t> unreported_;
  bool speculates_;
  PromptLookup lookup_;
  int32_t draft_matched_ = 0;
  std::chrono::steady_clock::time_point begun_, prefilled_;
};

}  // namespace da::engine
