#include "engine/sequence.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>
#include <utility>

namespace da::engine {

using std::chrono::steady_clock;

namespace {

constexpr int32_t kShortMatch = 4, kForcedMatch = 100;  // tokens: forced bytes count as a very long match
constexpr size_t kMostForcedBytes = 48;

}  // namespace

Sequence::Sequence(Engine::RequestId id, GenerateRequest request, UpdateCallback callback, const Vocabulary& vocabulary)
    : id_(id),
      callback_(std::move(callback)),
      vocabulary_(vocabulary),
      params_(request.sampling),
      sampler_(request.sampling),
      max_tokens_(request.max_tokens),
      context_tokens_(request.context_tokens > 0 ? std::min(request.context_tokens, vocabulary.context_tokens)
                                                 : vocabulary.context_tokens),
      shift_(request.shift),
      keep_tokens_(std::max(request.keep_tokens, 0)),
      ignores_end_(request.ignores_end),
      written_tokens_(std::move(request.written_tokens)),
      n_prompt_sent_(static_cast<int32_t>(request.prompt.size())),
      text_(std::move(request.stop)),
      speculates_(request.speculates),
      begun_(steady_clock::now()),
      prefilled_(begun_) {
  tokens = std::move(request.prompt);
  n_prompt = n_prompt_sent_;
  client = request.name_space;
  name_space = std::move(request.name_space);
  is_far = vocabulary.near_context > 0 && context_tokens_ > vocabulary.near_context;
  if (is_far) name_space += "\x1F";  // other rotations, other keys: nothing is shared with those that are near
  priority = request.priority;
  if (request.grammar == nullptr) return;
  matcher_.emplace(std::move(request.grammar));
  mask_error_ = update_mask();
}

int32_t Sequence::tokens_left() const {
  // One that may shift never runs out of context: the least count that is no promise of more.
  const int32_t room = shift_ ? std::numeric_limits<int32_t>::max() : context_tokens_ - n_tokens();
  return max_tokens_ < 0 ? room : std::min(room, max_tokens_ - n_generated_);
}

// Half of what may go, from the oldest on: what is left is computed anew, as if it had been the text from the start.
void Sequence::shift_if_full() {
  if (!shift_ || n_tokens() < context_tokens_) return;
  const int32_t first = std::min(keep_tokens_, n_tokens() - 2);
  const int32_t n_dropped = std::max((n_tokens() - first) / 2, 1);
  drop_tokens(first, n_dropped);
  n_shifted_ += n_dropped;
}

Status Sequence::update_mask() {
  if (!matcher_) return Status::ok();
  const auto n_tokens = static_cast<size_t>(vocabulary_.tokenizer->n_tokens());
  mask_.assign((n_tokens + 63) / 64, 0);
  matcher_->allowed_tokens(*vocabulary_.trie, mask_, static_cast<uint32_t>(std::max(tokens_left() - 1, 0)));
  // A token that ends generation does so only where the grammar may end, even if it has bytes that would fit.
  const bool can_end = matcher_->can_end();
  for (const int32_t id : vocabulary_.end_tokens) {
    const uint64_t bit = uint64_t{1} << (id % 64);
    uint64_t& word = mask_[static_cast<size_t>(id) / 64];
    word = can_end ? word | bit : word & ~bit;
  }
  int64_t n_allowed = 0;
  forced_ = -1;
  for (size_t i = 0; i < mask_.size(); ++i) {
    if (mask_[i] == 0) continue;
    n_allowed += std::popcount(mask_[i]);
    forced_ = static_cast<int32_t>(i * 64) + std::countr_zero(mask_[i]);
  }
  if (n_allowed != 1) forced_ = -1;
  if (n_allowed == 0)
    return {ErrorCode::kUnsupported, "grammar: the model's vocabulary has no token that may come next"};
  return Status::ok();
}

int32_t Sequence::choose(const Logits& logits) {
  if (forced_ >= 0) return forced_;
  if (plain_greedy()) return logits.greedy_choice;
  if (n_candidates() > 0 && logits.all.empty()) return sampler_.sample(logits.largest);
  return sampler_.sample(logits.all, mask_, tokens);
}

std::optional<Finish> Sequence::accept_one(int32_t token) {
  if (!ignores_end_ && vocabulary_.tokenizer->is_end_of_generation(token)) return Finish{FinishReason::kStop, {}};
  tokens.push_back(token);
  unreported_.push_back(token);
  ++n_generated_;
  const bool is_written = std::binary_search(written_tokens_.begin(), written_tokens_.end(), token);
  const std::string_view bytes =
      is_written ? vocabulary_.tokenizer->written(token) : vocabulary_.tokenizer->bytes(token);
  if (matcher_ && !matcher_->accept(bytes)) {
    return Finish{FinishReason::kError,
                  {ErrorCode::kInternal, "grammar: refuses token " + std::to_string(token) + " that it allowed"}};
  }
  if (text_.push(bytes)) return Finish{FinishReason::kStop, {}};
  if (matcher_ && matcher_->must_end()) return Finish{FinishReason::kStop, {}};
  if (tokens_left() <= 0)
    return Finish{matcher_ && matcher_->can_end() ? FinishReason::kStop : FinishReason::kLength, {}};
  shift_if_full();
  if (Status status = update_mask(); !status.is_ok()) return Finish{FinishReason::kError, std::move(status)};
  return std::nullopt;
}

std::optional<Finish> Sequence::accept(int32_t token) {
  if (!mask_error_.is_ok()) return Finish{FinishReason::kError, mask_error_};
  if (token < 0) {
    return Finish{FinishReason::kError, {ErrorCode::kInternal, "sampling: the model's logits are not finite numbers"}};
  }
  std::optional<Finish> finish = accept_one(token);
  while (!finish && forced_ >= 0) finish = accept_one(forced_);
  return finish;
}

void Sequence::guess_draft(int32_t most) {
  draft.clear();
  if (!speculates_) return;
  lookup_.fade();
  // The token that is chosen in any case comes after the draft.
  const int32_t room = std::min({most, tokens_left() - 1, context_tokens_ - n_tokens() - 1});
  if (room <= 0) return;
  PromptLookup::Guess guess = lookup_.guess(tokens, room);
  // Bytes that the grammar forces can be cut into tokens in several ways; the model's own is the likely one. Finding
  // them costs more than a look at the text, which a long match makes needless.
  if (matcher_ && guess.n_matched <= kShortMatch) {
    const std::string bytes = matcher_->forced(kMostForcedBytes);
    if (bytes.size() > 1) {
      guess = {.tokens = vocabulary_.tokenizer->encode(bytes, {}), .n_matched = kForcedMatch};
      guess.tokens.resize(std::min(guess.tokens.size(), static_cast<size_t>(room)));
    }
  }
  draft_matched_ = guess.n_matched;
  draft = std::move(guess.tokens);
  std::optional<grammar::Matcher> ahead;
  if (matcher_) ahead = matcher_;
  const auto fits = [&](int32_t token) {
    if (vocabulary_.tokenizer->is_end_of_generation(token)) return false;
    return !ahead || (!ahead->must_end() && !vocabulary_.tokenizer->bytes(token).empty() &&
                      ahead->accept(vocabulary_.tokenizer->bytes(token)));
  };
  draft.erase(std::find_if_not(draft.begin(), draft.end(), fits), draft.end());
}

int32_t Sequence::n_drafts_taken(int32_t n_before, int32_t n_drafts) const {
  int32_t n = 0;
  while (n < n_drafts && n_before + n < n_tokens() &&
         tokens[static_cast<size_t>(n_before + n)] == draft[static_cast<size_t>(n)])
    ++n;
  return n;
}

void Sequence::judge_draft(int32_t n_drafts, int32_t n_taken, bool finished) {
  lookup_.observe(draft_matched_, n_taken, n_taken < n_drafts && !finished);
}

void Sequence::report_prefill(int32_t n_done) {
  if (n_generated_ > 0) return;  // computed anew, after it stepped back or shifted
  if (n_done >= n_prompt) prefilled_ = steady_clock::now();
  callback_({.kind = Update::Kind::kPrefill,
             .prompt_tokens_done = std::min(n_done, n_prompt),
             .prompt_tokens_total = n_prompt});
}

void Sequence::report_text() {
  std::string text = text_.take();
  if (text.empty()) return;
  callback_({.kind = Update::Kind::kText,
             .text = std::move(text),
             .tokens = std::exchange(unreported_, {}),
             .generated_tokens = n_generated_});
}

void Sequence::report_finished(const Finish& finish) {
  // After a device's failure what was held back stays back: one of whom nothing was sent may be tried again elsewhere.
  if (finish.error.code() != ErrorCode::kUnavailable) {
    text_.finish();
    report_text();
  }
  const auto now = steady_clock::now();
  const auto prefilled = n_generated_ == 0 && n_computed < n_prompt ? now : prefilled_;
  callback_({.kind = Update::Kind::kFinished,
             .prompt_tokens_total = n_prompt_sent_,
             .tokens = std::exchange(unreported_, {}),
             .reason = finish.reason,
             .error = finish.error,
             .generated_tokens = n_generated_,
             .cached_tokens = n_cached,
             .shifted_tokens = n_shifted_,
             .prefill_ns = std::chrono::nanoseconds(prefilled - begun_).count(),
             .decode_ns = std::chrono::nanoseconds(now - prefilled).count()});
}

}  // namespace da::engine
