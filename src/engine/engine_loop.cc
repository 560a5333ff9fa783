#include <algorithm>
#include <exception>
#include <utility>

#include "backend/device_backend.h"
#include "engine/engine_impl.h"

namespace da::engine {
namespace {

using Clock = std::chrono::steady_clock;

// A step of fewer rows is soon over: no reason to give it up for a request that was cancelled.
constexpr int32_t kShortStepRows = 32;

// Steps that write have no more; those of one that computes its text anew say nothing of their cost.
constexpr int32_t kMostCostRows = 64;

}  // namespace

void EngineImpl::run() {
  try {
    while (take_requests()) {
      const bool others_run = n_held_ < n_running_;
      meet_clients();
      const bool text_first = embedding_->turns().is_urgent(clients_);
      if (text_first) embed_step(others_run);
      if (others_run && device_lost_.is_ok()) step();
      if (!text_first && !embedding_->empty() && device_lost_.is_ok()) embed_step(others_run);
      if (!device_lost_.is_ok()) {
        give_up();
        break;
      }
      n_running_ = static_cast<int32_t>(running_.size());
    }
  } catch (const std::exception& error) {
    // A library threw (out of memory, a callback): nobody may wait for an answer that never comes.
    finish_all({FinishReason::kError, {ErrorCode::kInternal, std::string("engine: ") + error.what()}});
    while (take_requests())
      finish_all({FinishReason::kError, {ErrorCode::kUnavailable, "engine: stopped after an earlier failure"}});
  }
  finish_all({FinishReason::kCancelled, {}});
}

// A device that failed stays failed (the backends see to that).
void EngineImpl::note_device(const Status& status) {
  if (status.code() == ErrorCode::kUnavailable && device_lost_.is_ok()) device_lost_ = status;
}

void EngineImpl::give_up() {
  finish_all({FinishReason::kError, device_lost_});
  if (options_.on_device_lost) options_.on_device_lost(device_lost_);
  while (take_requests()) finish_all({FinishReason::kError, device_lost_});
}

// What came from other threads since the last step.
struct EngineImpl::Change {
  std::vector<Request> cancelled_waiting, admitted;
  std::vector<RequestId> cancelled;
  std::vector<std::pair<RequestId, bool>> holds;
  std::vector<std::promise<Status>> checks;
  std::vector<EmbedRequest> to_embed;
  bool stopping = false;
};

// `n_running`: those that run, and those that are to begin with the next step. Who is held leaves its place.
bool EngineImpl::may_admit(size_t n_running, bool stopping) const {
  if (stopping) return true;
  const auto n_computing = static_cast<int32_t>(n_running) - n_held_;
  return n_computing < options_.max_sequences && static_cast<int32_t>(n_running) < 4 * options_.max_sequences &&
         budget_.has_room_for_one_more(n_computing);
}

bool EngineImpl::has_work() const {
  return stopping_ || n_held_ < static_cast<int32_t>(running_.size()) || !embedding_->empty() || !to_embed_.empty() ||
         !cancelled_.empty() || !holds_.empty() || !integrity_checks_.empty() ||
         (!waiting_.empty() && may_admit(running_.size(), false));
}

EngineImpl::Change EngineImpl::wait_for_change() {
  Change change;
  std::unique_lock lock(mutex_);
  if (!has_work() && !rests_) {
    rests_ = true;
    if (const auto on_rest = on_rest_) {
      lock.unlock();
      on_rest();
      lock.lock();
    }
  }
  wake_.wait(lock, [this] { return has_work(); });
  step_begun_ = Clock::now();
  rests_ = false;
  change.cancelled.swap(cancelled_);
  change.holds.swap(holds_);
  change.checks.swap(integrity_checks_);
  change.to_embed.swap(to_embed_);
  change.stopping = stopping_;
  for (const RequestId id : change.cancelled) {
    const auto found =
        std::find_if(waiting_.begin(), waiting_.end(), [&](const Request& request) { return request.id == id; });
    if (found == waiting_.end()) continue;
    change.cancelled_waiting.push_back(std::move(*found));
    waiting_.erase(found);
  }
  while (!waiting_.empty() && may_admit(running_.size() + change.admitted.size(), stopping_)) {
    change.admitted.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return change;
}

void EngineImpl::admit(std::vector<Request> requests, bool stopping) {
  for (Request& request : requests) {
    if (request.request.grammar != nullptr && !stopping) prepare_grammar();
    if (stopping) request.request.grammar = nullptr;
    auto sequence =
        std::make_unique<Sequence>(request.id, std::move(request.request), std::move(request.callback), vocabulary_);
    const auto place =
        std::upper_bound(running_.begin(), running_.end(), sequence->priority,
                         [](int32_t priority, const SequencePtr& other) { return priority > other->priority; });
    running_.insert(place, std::move(sequence));
  }
}

bool EngineImpl::take_requests() {
  Change change = wait_for_change();
  admit(std::move(change.admitted), change.stopping);
  for (Request& request : change.cancelled_waiting) {
    request.request.grammar = nullptr;
    Sequence(request.id, std::move(request.request), std::move(request.callback), vocabulary_)
        .report_finished({FinishReason::kCancelled, {}});
  }
  for (EmbedRequest& request : change.to_embed)
    embedding_->add(request.id, std::move(request.input), std::move(request.callback));
  for (const RequestId id : change.cancelled) embedding_->end(id, {ErrorCode::kCancelled, "embed: cancelled"});
  for (SequencePtr& sequence : running_) {
    for (const auto& [id, held] : change.holds) {
      if (id == sequence->id()) sequence->held = held;
    }
    if (std::find(change.cancelled.begin(), change.cancelled.end(), sequence->id()) != change.cancelled.end())
      finish(sequence, {FinishReason::kCancelled, {}});
  }
  std::erase(running_, nullptr);
  for (std::promise<Status>& check : change.checks) check.set_value(page_integrity());
  n_running_ = static_cast<int32_t>(running_.size());
  n_held_ = static_cast<int32_t>(
      std::count_if(running_.begin(), running_.end(), [](const SequencePtr& sequence) { return sequence->held; }));
  budget_.set_target_seconds(static_cast<double>(target_ms_) / 1e3);
  return !change.stopping;
}

void EngineImpl::prepare_grammar() {
  if (trie_ != nullptr) return;
  std::vector<std::string_view> bytes;
  for (int32_t id = 0; id < tokenizer_->n_tokens(); ++id) bytes.push_back(tokenizer_->bytes(id));
  trie_ = std::make_unique<grammar::TokenTrie>(bytes);
  vocabulary_.trie = trie_.get();
}

void EngineImpl::finish(SequencePtr& sequence, const Finish& finish) {
  if (finish.reason != FinishReason::kError) planner_->retain(*sequence);
  planner_->release(*sequence);
  note_device(finish.error);
  --n_running_;
  const SequencePtr done = std::move(sequence);
  done->report_finished(finish);
}

void EngineImpl::finish_all(const Finish& reason) {
  embedding_->end_all(reason.reason == FinishReason::kError ? reason.error
                                                            : Status(ErrorCode::kCancelled, "embed: cancelled"));
  std::vector<SequencePtr> all = std::move(running_);
  running_.clear();
  for (SequencePtr& sequence : all) {
    try {
      finish(sequence, reason);
    } catch (const std::exception&) {
      // The callback itself throws; there is nobody left to tell.
    }
  }
}

SequencePtr& EngineImpl::owner(const PagedSequence* sequence) {
  return *std::find_if(running_.begin(), running_.end(), [&](const SequencePtr& one) { return one.get() == sequence; });
}

void EngineImpl::begin_forward(int32_t n_rows, std::vector<RequestId> ids, std::vector<std::string> clients) {
  {
    const std::lock_guard lock(mutex_);
    stop_forward_ = stopping_;
    if (!gave_up_ && n_rows > kShortStepRows) {
      in_step_ = std::move(ids);
      in_step_clients_ = std::move(clients);
      in_step_begun_ = Clock::now();
      const std::chrono::duration<double> expected(budget_.expected_seconds(n_rows));
      in_step_ends_ = in_step_begun_ + std::chrono::duration_cast<Clock::duration>(expected);
      // Cancelled since the requests were taken.
      for (const RequestId id : cancelled_) {
        if (std::find(in_step_.begin(), in_step_.end(), id) != in_step_.end()) stop_forward_ = true;
      }
    }
  }
  forward_begun_ = Clock::now();
}

void EngineImpl::end_forward() {
  const std::lock_guard lock(mutex_);
  in_step_.clear();
  in_step_clients_.clear();
}

// The model's part of a step. kCancelled: given up for a request that was cancelled, which ends before the next.
Result<const backend::Activation*> EngineImpl::forward(const BatchPlanner::Plan& plan) {
  std::vector<RequestId> ids;
  std::vector<std::string> clients;
  for (const BatchPlanner::Part& part : plan.parts) {
    ids.push_back(static_cast<Sequence*>(part.sequence)->id());
    clients.push_back(part.sequence->client);
  }
  begin_forward(plan.n_rows(), std::move(ids), std::move(clients));
  auto logits =
      model_->forward({.token_ids = plan.tokens, .sequences = plan.sequences, .output_rows = plan.output_rows},
                      pages_->pool(), model::Output::kLogits, &stop_forward_);
  const auto prefills = [](const BatchPlanner::Part& part) {
    return part.sequence->n_computed < part.sequence->n_prompt;
  };
  forward_writes_only_ = plan.n_rows() <= kMostCostRows && std::none_of(plan.parts.begin(), plan.parts.end(), prefills);
  // A device may still be at work: the step is over when the host has waited for what it reads.
  if (plan.output_rows.empty() || !logits.is_ok()) note_forward(logits.is_ok() ? plan.n_rows() : 0);
  end_forward();
  return logits;
}

// `n_rows` 0: not a whole step, which says nothing about how long one takes.
void EngineImpl::note_forward(int32_t n_rows) {
  const auto ns = std::chrono::nanoseconds(Clock::now() - forward_begun_).count();
  forward_ns_ += ns;
  if (n_rows > 0) budget_.observe(n_rows, static_cast<double>(ns) / 1e9);
  if (n_rows > 0 && forward_writes_only_) cost_.observe(n_rows, static_cast<double>(ns) / 1e9);
}

void EngineImpl::meet_clients() {
  clients_.begin_step();
  for (const SequencePtr& sequence : running_) {
    if (!sequence->held) clients_.present(sequence->client);
  }
  embedding_->turns().for_each_client([this](const std::string& client) { clients_.present(client); });
  clients_.end_of_present();
}

void EngineImpl::step() {
  ranked_.clear();
  int32_t n_writing = 0;
  for (const SequencePtr& sequence : running_) {
    ranked_.push_back(sequence.get());
    if (!sequence->held && sequence->n_generated() > 0) ++n_writing;
  }
  guess_drafts();
  const BatchPlanner::Plan& plan =
      planner_->plan(ranked_, step_rows(budget_, static_cast<int32_t>(running_.size()) - n_held_, n_writing));
  preemptions_ = planner_->n_preemptions();
  cached_tokens_ = planner_->n_cached_tokens();
  for (const auto& [sequence, status] : plan.failed) finish(owner(sequence), {FinishReason::kError, status});
  if (!plan.parts.empty()) {
    const auto logits = forward(plan);
    gave_up_ = logits.code() == ErrorCode::kCancelled;
    if (logits.is_ok()) {
      for (const BatchPlanner::Part& part : plan.parts) {
        Sequence& sequence = static_cast<Sequence&>(*part.sequence);
        if (sequence.n_computed >= sequence.n_prompt) continue;
        prompt_tokens_ += part.n_rows;
        sequence.report_prefill(sequence.n_computed + part.n_rows);
      }
      planner_->commit(plan);
      take_tokens(plan, **logits);
    } else if (!gave_up_) {
      // A device failed between two stages: none of the batch has a result.
      for (const BatchPlanner::Part& part : plan.parts)
        finish(owner(part.sequence), {FinishReason::kError, logits.status()});
    }
  }
  std::erase(running_, nullptr);
  embedding_->turns().others_had(note_step());
}

// Seconds since the step before, or since there was something to do.
double EngineImpl::note_step() {
  const auto now = Clock::now(), begun = std::exchange(step_begun_, now);
  ++steps_;
  step_ns_ += std::chrono::nanoseconds(now - begun).count();
  return std::chrono::duration<double>(now - begun).count();
}

// What the step's tokens are drawn from: no more of the logits than is needed leaves the device they lie on.
Status EngineImpl::fetch_logits(const BatchPlanner::Plan& plan, const backend::Activation& logits) {
  bool some_greedy = false, all = false;
  int32_t k = 0;
  for (const BatchPlanner::Part& part : plan.parts) {
    const auto& sequence = static_cast<const Sequence&>(*part.sequence);
    if (part.output_idx < 0 || !sequence.needs_logits()) continue;
    if (sequence.plain_greedy()) {
      some_greedy = true;
      continue;
    }
    const int32_t n = sequence.n_candidates();
    all = all || n == 0 || n > backend::kMaxTopK;
    k = std::max(k, n);
  }
  backend::Backend& backend = model_->output_backend();
  greedy_.assign(plan.output_rows.size(), -1);
  n_candidates_ = 0;
  logits_ = {};
  if (some_greedy) DA_RETURN_IF_ERROR(backend.argmax(logits, greedy_));
  auto* device = dynamic_cast<backend::DeviceBackend*>(&backend);
  if (device != nullptr && k > 0 && !all) {
    k = static_cast<int32_t>(std::min<int64_t>(k, logits.width));
    n_candidates_ = static_cast<size_t>(k);
    candidates_.resize(plan.output_rows.size() * n_candidates_);
    return device->top_k(logits, k, candidates_);
  }
  if (k > 0 || all) {
    DA_ASSIGN_OR_RETURN(logits_, backend.read_rows(logits));
  }
  return Status::ok();
}

Sequence::Logits EngineImpl::logits_of(int32_t output_idx) const {
  const auto at = static_cast<size_t>(output_idx);
  return {.greedy_choice = greedy_[at],
          .largest = n_candidates_ == 0 ? std::span<const backend::Candidate>()
                                        : std::span(candidates_).subspan(at * n_candidates_, n_candidates_),
          .all = logits_.data == nullptr ? std::span<const float>() : logits_.row(output_idx)};
}

void EngineImpl::take_tokens(const BatchPlanner::Plan& plan, const backend::Activation& logits) {
  if (plan.output_rows.empty()) return;
  const Status status = fetch_logits(plan, logits);
  note_forward(plan.n_rows());
  for (const BatchPlanner::Part& part : plan.parts) {
    if (part.output_idx < 0) continue;
    Sequence& sequence = static_cast<Sequence&>(*part.sequence);
    std::optional<Finish> finished = status.is_ok() ? take_tokens_of(part) : Finish{FinishReason::kError, status};
    if (finished) {
      finish(owner(&sequence), *finished);
      continue;
    }
    if (sequence.n_computed == 0) planner_->release(sequence);  // it shifted
    sequence.report_text();
  }
}

// The token after the sequence's last, and as long as the text goes the way of its draft those after.
std::optional<Finish> EngineImpl::take_tokens_of(const BatchPlanner::Part& part) {
  Sequence& sequence = static_cast<Sequence&>(*part.sequence);
  const int32_t n_before = sequence.n_tokens(), n_generated = sequence.n_generated();
  std::optional<Finish> finished;
  int32_t n_taken = 0;  // of the draft
  for (bool follows = true; follows && !finished;) {
    const int32_t output_idx = part.output_idx + n_taken;
    const int32_t token = sequence.choose(logits_of(output_idx));
    if (token < 0 && sequence.can_choose()) ++not_finite_;
    finished = sequence.accept(token);
    if (sequence.n_computed == 0) break;  // it shifted: nothing that was computed is left
    n_taken = sequence.n_drafts_taken(n_before, part.n_drafts);
    follows = sequence.n_tokens() == n_before + n_taken;
  }
  generated_tokens_ += sequence.n_generated() - n_generated;
  if (part.n_drafts > 0) {
    if (sequence.n_computed > 0) sequence.n_computed += n_taken;
    sequence.judge_draft(part.n_drafts, n_taken, finished.has_value());
    drafted_tokens_ += part.n_drafts;
    accepted_tokens_ += n_taken;
  }
  return finished;
}

// Drafts for those that write, as long as they pay.
void EngineImpl::guess_drafts() {
  std::vector<DraftCandidate> candidates;
  std::vector<Sequence*> writing;
  for (const SequencePtr& sequence : running_) {
    sequence->draft.clear();
    const bool writes = !sequence->held && sequence->n_computed >= sequence->n_prompt;
    if (options_.speculation == Speculation::kOff || !writes) continue;
    sequence->guess_draft(kMostDraftTokens);
    writing.push_back(sequence.get());
    candidates.push_back({sequence->draft_acceptance(), static_cast<int32_t>(sequence->draft.size())});
  }
  if (options_.speculation == Speculation::kAlways) {
    int32_t room = kMostDraftRows;
    for (DraftCandidate& candidate : candidates) room -= candidate.n = std::min(candidate.most, room);
  } else {
    choose_draft_lengths(candidates, static_cast<int32_t>(writing.size()), cost_);
  }
  for (size_t i = 0; i < writing.size(); ++i) writing[i]->draft.resize(static_cast<size_t>(candidates[i].n));
}

}  // namespace da::engine
