#include "engine/engine.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/embed_queue.h"
#include "engine/kv_pages.h"
#include "engine/sequence.h"
#include "engine/step_plan.h"

namespace da::engine {
namespace {

using SequencePtr = std::unique_ptr<Sequence>;

class EngineImpl final : public Engine {
 public:
  EngineImpl(std::unique_ptr<model::Model> model, std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
             EngineOptions options)
      : model_(std::move(model)), tokenizer_(std::move(tokenizer)), options_(options) {}

  ~EngineImpl() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  Status start() {
    vocabulary_.tokenizer = tokenizer_.get();
    vocabulary_.context_tokens = options_.context_tokens;
    for (int32_t id = 0; id < tokenizer_->n_tokens(); ++id) {
      if (tokenizer_->is_end_of_generation(id)) vocabulary_.end_tokens.push_back(id);
    }
    DA_RETURN_IF_ERROR(model_->reserve(options_.batch_tokens, options_.max_sequences));
    DA_ASSIGN_OR_RETURN(auto pool, model_->make_kv_cache(options_.kv_type, max_pages()));
    if (options_.kv_max_bytes > 0) {
      const auto bytes_for = static_cast<int64_t>(options_.kv_max_bytes / pool->page_bytes()) * backend::kPageTokens;
      options_.pool_tokens = std::min(options_.pool_tokens, std::max<int64_t>(bytes_for, kLeastContextTokens));
      options_.context_tokens = static_cast<int32_t>(std::min<int64_t>(options_.context_tokens, options_.pool_tokens));
      vocabulary_.context_tokens = options_.context_tokens;
    }
    const auto retained = static_cast<int32_t>(options_.retained_tokens / backend::kPageTokens);
    pages_ = std::make_unique<KvPages>(std::move(pool), max_pages(), retained);
    embedding_ = std::make_unique<EmbedQueue>(*model_, *pages_, options_.batch_tokens);
    thread_ = std::thread([this] { run(); });
    return Status::ok();
  }

  Result<RequestId> submit(GenerateRequest request, UpdateCallback callback) override;
  Result<RequestId> embed(std::vector<int32_t> tokens, EmbedCallback callback) override;
  void cancel(RequestId id) override;
  Status check_integrity() override;
  int32_t context_tokens() const override { return options_.context_tokens; }
  std::vector<std::string> model_warnings() const override { return model_->warnings(); }
  uint64_t memory_bytes() const override {
    return model_->weight_bytes() + model_->buffer_bytes() +
           pages_->pool().page_bytes() * static_cast<uint64_t>(pages_->n_committed());
  }
  EngineStats stats() const override;

 private:
  int32_t max_pages() const { return static_cast<int32_t>(options_.pool_tokens / backend::kPageTokens); }

  Status check_tokens(const char* what, std::span<const int32_t> tokens, int32_t most) const;

  // Everything below runs on the engine's thread.
  void run();
  bool take_requests();  // false: the engine is being destroyed
  void step();
  void retain_pages(Sequence& sequence);
  void share_pages(Sequence& sequence);
  bool give_pages(SequencePtr& sequence, int32_t n_tokens);
  void step_back(Sequence& sequence);
  void finish(SequencePtr& sequence, const Finish& finish);  // leaves null
  void finish_all(const Finish& reason);
  void prepare_grammar();
  Status page_integrity() const;

  struct Part {
    Sequence* sequence;
    int32_t first_row, n_rows;
    int32_t output_idx;  // -1: no logits wanted
  };
  void build_batch(std::vector<Part>& parts);
  void fail_parts(const std::vector<Part>& parts, const Status& status);
  void take_tokens(const std::vector<Part>& parts, const backend::Activation& logits);

  std::unique_ptr<model::Model> model_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  EngineOptions options_;
  Vocabulary vocabulary_;
  std::unique_ptr<grammar::TokenTrie> trie_;
  std::unique_ptr<KvPages> pages_;

  std::unique_ptr<EmbedQueue> embedding_;

  std::vector<SequencePtr> running_;  // in order of arrival
  std::vector<int32_t> batch_tokens_, output_rows_, greedy_, planned_;
  std::vector<backend::SequenceRows> batch_sequences_;
  std::vector<float> logits_;
  std::atomic<int32_t> n_running_{0};
  std::atomic<int64_t> prompt_tokens_{0}, cached_tokens_{0}, generated_tokens_{0}, preemptions_{0};

  struct Request {
    RequestId id;
    GenerateRequest request;
    UpdateCallback callback;
  };
  struct EmbedRequest {
    RequestId id;
    std::vector<int32_t> tokens;
    EmbedCallback callback;
  };
  mutable std::mutex mutex_;  // guards the rest
  std::condition_variable wake_;
  std::deque<Request> waiting_;
  std::vector<EmbedRequest> to_embed_;
  std::vector<RequestId> cancelled_;
  std::vector<std::promise<Status>> integrity_checks_;
  RequestId next_id_ = 1;
  bool stopping_ = false;
  std::thread thread_;
};

// Tokens a request brings: some, of the vocabulary, and no more than `most`.
Status EngineImpl::check_tokens(const char* what, std::span<const int32_t> tokens, int32_t most) const {
  const std::string prefix = std::string(what) + ": ";
  if (tokens.empty()) return {ErrorCode::kInvalidArgument, prefix + "the prompt has no tokens"};
  for (const int32_t id : tokens) {
    if (id < 0 || id >= model_->hyper().n_vocab) {
      return {ErrorCode::kInvalidArgument, prefix + "token " + std::to_string(id) + " is outside the vocabulary of " +
                                               std::to_string(model_->hyper().n_vocab)};
    }
  }
  if (tokens.size() <= static_cast<size_t>(most)) return Status::ok();
  return {ErrorCode::kResourceExhausted,
          prefix + "the prompt has " + std::to_string(tokens.size()) + " tokens, the context holds " +
              std::to_string(options_.context_tokens) +
              (most < options_.context_tokens ? " and must leave room for at least one more" : "")};
}

Result<Engine::RequestId> EngineImpl::embed(std::vector<int32_t> tokens, EmbedCallback callback) {
  DA_RETURN_IF_ERROR(check_tokens("embed", tokens, options_.context_tokens));
  RequestId id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = next_id_++;
    to_embed_.push_back({id, std::move(tokens), std::move(callback)});
  }
  wake_.notify_all();
  return id;
}

Result<Engine::RequestId> EngineImpl::submit(GenerateRequest request, UpdateCallback callback) {
  if (!model_->has_logits()) return {ErrorCode::kUnsupported, "generate: the model makes embeddings only"};
  DA_RETURN_IF_ERROR(check_tokens("generate", request.prompt, options_.context_tokens - 1));
  DA_RETURN_IF_ERROR(validate(request.sampling));
  RequestId id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = next_id_++;
    waiting_.push_back({id, std::move(request), std::move(callback)});
  }
  wake_.notify_all();
  return id;
}

void EngineImpl::cancel(RequestId id) {
  {
    const std::lock_guard lock(mutex_);
    cancelled_.push_back(id);
  }
  wake_.notify_all();
}

Status EngineImpl::check_integrity() {
  std::future<Status> answer;
  {
    const std::lock_guard lock(mutex_);
    integrity_checks_.emplace_back();
    answer = integrity_checks_.back().get_future();
  }
  wake_.notify_all();
  return answer.get();
}

Status EngineImpl::page_integrity() const {
  std::vector<int32_t> owned;
  for (const SequencePtr& sequence : running_)
    owned.insert(owned.end(), sequence->pages.begin(), sequence->pages.end());
  embedding_->list_pages(owned);
  return pages_->check_integrity(std::move(owned));
}

void EngineImpl::run() {
  try {
    while (take_requests()) {
      if (!running_.empty()) step();
      if (!embedding_->empty()) embedding_->step(!running_.empty());
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

bool EngineImpl::take_requests() {
  std::vector<Request> cancelled_waiting, admitted;
  std::vector<RequestId> cancelled;
  std::vector<std::promise<Status>> checks;
  std::vector<EmbedRequest> to_embed;
  bool stopping = false;
  {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] {
      return stopping_ || !running_.empty() || !embedding_->empty() || !waiting_.empty() || !to_embed_.empty() ||
             !cancelled_.empty() || !integrity_checks_.empty();
    });
    cancelled.swap(cancelled_);
    checks.swap(integrity_checks_);
    to_embed.swap(to_embed_);
    stopping = stopping_;
    for (const RequestId id : cancelled) {
      const auto found =
          std::find_if(waiting_.begin(), waiting_.end(), [&](const Request& request) { return request.id == id; });
      if (found == waiting_.end()) continue;
      cancelled_waiting.push_back(std::move(*found));
      waiting_.erase(found);
    }
    while (!waiting_.empty() &&
           (stopping || running_.size() + admitted.size() < static_cast<size_t>(options_.max_sequences))) {
      admitted.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
  }
  for (Request& request : admitted) {
    if (request.request.grammar != nullptr && !stopping) prepare_grammar();
    if (stopping) request.request.grammar = nullptr;
    running_.push_back(
        std::make_unique<Sequence>(request.id, std::move(request.request), std::move(request.callback), vocabulary_));
  }
  for (Request& request : cancelled_waiting) {
    request.request.grammar = nullptr;
    Sequence(request.id, std::move(request.request), std::move(request.callback), vocabulary_)
        .report_finished({FinishReason::kCancelled, {}});
  }
  for (EmbedRequest& request : to_embed)
    embedding_->add(request.id, std::move(request.tokens), std::move(request.callback));
  for (const RequestId id : cancelled) embedding_->end(id, {ErrorCode::kCancelled, "embed: cancelled"});
  for (SequencePtr& sequence : running_) {
    if (std::find(cancelled.begin(), cancelled.end(), sequence->id()) != cancelled.end())
      finish(sequence, {FinishReason::kCancelled, {}});
  }
  std::erase(running_, nullptr);
  for (std::promise<Status>& check : checks) check.set_value(page_integrity());
  n_running_ = static_cast<int32_t>(running_.size());
  return !stopping;
}

void EngineImpl::prepare_grammar() {
  if (trie_ != nullptr) return;
  std::vector<std::string_view> bytes;
  for (int32_t id = 0; id < tokenizer_->n_tokens(); ++id) bytes.push_back(tokenizer_->bytes(id));
  trie_ = std::make_unique<grammar::TokenTrie>(bytes);
  vocabulary_.trie = trie_.get();
}

// What this one computed, for others. Its last step must have succeeded.
void EngineImpl::retain_pages(Sequence& sequence) {
  const auto n_full = sequence.n_computed / backend::kPageTokens;
  const std::span<const int32_t> tokens = sequence.tokens();
  if (n_full > sequence.n_retained_pages) {
    pages_->retain(sequence.name_space(), tokens.first(static_cast<size_t>(n_full) * backend::kPageTokens),
                   sequence.pages);
    sequence.n_retained_pages = n_full;
  }
}

// What others computed for the same beginning.
void EngineImpl::share_pages(Sequence& sequence) {
  const std::span<const int32_t> tokens = sequence.tokens();
  const bool at_page_end = static_cast<int32_t>(sequence.pages.size()) * backend::kPageTokens == sequence.n_computed;
  if (!at_page_end || sequence.n_computed >= sequence.n_prompt()) return;
  // The last token is computed in any case: its logits are wanted.
  pages_->share(sequence.name_space(), tokens.first(tokens.size() - 1), sequence.pages);
  const auto n_shared = static_cast<int32_t>(sequence.pages.size()) * backend::kPageTokens;
  if (n_shared == sequence.n_computed) return;
  cached_tokens_ += n_shared - sequence.n_computed;
  sequence.n_cached += std::min(n_shared, sequence.n_prompt()) - std::min(sequence.n_computed, sequence.n_prompt());
  sequence.n_computed = n_shared;
  sequence.n_retained_pages = static_cast<int32_t>(sequence.pages.size());
}

void EngineImpl::step_back(Sequence& sequence) {
  pages_->release(sequence.pages);
  sequence.n_computed = sequence.n_retained_pages = 0;
  ++preemptions_;
}

// Pages for the sequence, taken from younger ones if there is no other way. False: not this time, or it has failed.
bool EngineImpl::give_pages(SequencePtr& sequence, int32_t n_tokens) {
  const auto has_pages = [](const SequencePtr& other) { return other != nullptr && !other->pages.empty(); };
  const auto self = std::find(running_.begin(), running_.end(), sequence);
  for (;;) {
    const Status status = pages_->give(sequence->pages, n_tokens);
    if (status.is_ok()) return true;
    const auto youngest = std::find_if(running_.rbegin(), std::make_reverse_iterator(self + 1), has_pages);
    if (youngest != std::make_reverse_iterator(self + 1)) {
      step_back(**youngest);
    } else if (std::any_of(running_.begin(), self, has_pages)) {
      step_back(*sequence);
      return false;
    } else {
      finish(sequence, {FinishReason::kError, status});
      return false;
    }
  }
}

void EngineImpl::finish(SequencePtr& sequence, const Finish& finish) {
  if (finish.reason != FinishReason::kError) retain_pages(*sequence);
  pages_->release(sequence->pages);
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

// Rows for each running sequence, their pages, and the batch in batch_tokens_, batch_sequences_, output_rows_.
void EngineImpl::build_batch(std::vector<Part>& parts) {
  std::vector<PendingRows> pending;
  planned_.clear();
  int32_t n_available = pages_->n_available();
  for (const SequencePtr& sequence : running_) {
    retain_pages(*sequence);
    share_pages(*sequence);
    // One without pages begins when the pool has room for all of it, or it would soon have to step back again.
    const bool starts = sequence->pages.empty(), fits = pages_for(sequence->n_tokens()) <= n_available;
    if (starts && fits) n_available -= pages_for(sequence->n_tokens());
    const bool waits = starts && !fits && sequence != running_.front();
    pending.push_back(
        {waits ? 0 : sequence->n_tokens() - sequence->n_computed, sequence->n_computed < sequence->n_prompt()});
    planned_.push_back(sequence->n_computed);
  }
  const std::vector<int32_t> rows = plan_step(pending, options_.batch_tokens);
  batch_tokens_.clear();
  batch_sequences_.clear();
  output_rows_.clear();
  for (size_t i = 0; i < running_.size(); ++i) {
    // Those that stepped back for an older one since begin anew with the next step.
    if (rows[i] == 0 || running_[i]->n_computed != planned_[i]) continue;
    if (!give_pages(running_[i], planned_[i] + rows[i])) continue;
    Sequence& sequence = *running_[i];
    const auto first_row = static_cast<int32_t>(batch_tokens_.size());
    const auto first = sequence.tokens().begin() + sequence.n_computed;
    batch_tokens_.insert(batch_tokens_.end(), first, first + rows[i]);
    batch_sequences_.push_back({first_row, rows[i], sequence.n_computed, sequence.pages});
    int32_t output_idx = -1;
    if (rows[i] == pending[i].n_rows) {
      output_idx = static_cast<int32_t>(output_rows_.size());
      output_rows_.push_back(first_row + rows[i] - 1);
    }
    parts.push_back({&sequence, first_row, rows[i], output_idx});
  }
}

void EngineImpl::step() {
  std::vector<Part> parts;
  build_batch(parts);
  if (!parts.empty()) {
    const auto logits = model_->forward(
        {.token_ids = batch_tokens_, .sequences = batch_sequences_, .output_rows = output_rows_}, pages_->pool());
    if (!logits.is_ok()) {
      fail_parts(parts, logits.status());
      return;
    }
    for (const Part& part : parts) {
      Sequence& sequence = *part.sequence;
      const bool prefilling = sequence.n_computed < sequence.n_prompt();
      sequence.n_computed += part.n_rows;
      if (prefilling) prompt_tokens_ += part.n_rows;
      if (prefilling) sequence.report_prefill(sequence.n_computed);
    }
    take_tokens(parts, **logits);
  }
  std::erase(running_, nullptr);
}

// A device failed between two stages: none of the batch has a result.
void EngineImpl::fail_parts(const std::vector<Part>& parts, const Status& status) {
  for (const Part& part : parts) {
    for (SequencePtr& owner : running_) {
      if (owner.get() == part.sequence) finish(owner, {FinishReason::kError, status});
    }
  }
  std::erase(running_, nullptr);
}

void EngineImpl::take_tokens(const std::vector<Part>& parts, const backend::Activation& logits) {
  if (output_rows_.empty()) return;
  const auto any = [&](auto wants) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](const Part& part) { return part.output_idx >= 0 && wants(*part.sequence); });
  };
  Status status;
  greedy_.assign(output_rows_.size(), -1);
  if (any([](const Sequence& s) { return s.plain_greedy(); }))
    status = model_->output_backend().argmax(logits, greedy_);
  backend::RowsView rows;
  if (status.is_ok() && any([](const Sequence& s) { return !s.plain_greedy() && s.needs_logits(); })) {
    auto view = model_->output_backend().read_rows(logits);
    status = view.status();
    if (view.is_ok()) rows = *view;
  }
  for (const Part& part : parts) {
    if (part.output_idx < 0) continue;
    Sequence& sequence = *part.sequence;
    std::optional<Finish> finished;
    if (!status.is_ok()) {
      finished = Finish{FinishReason::kError, status};
    } else {
      if (rows.data != nullptr) {
        const std::span<const float> row = rows.row(part.output_idx);
        logits_.assign(row.begin(), row.end());
      }
      const int32_t n_before = sequence.n_generated();
      finished = sequence.accept(sequence.choose(greedy_[static_cast<size_t>(part.output_idx)], logits_));
      generated_tokens_ += sequence.n_generated() - n_before;
    }
    if (!finished) {
      sequence.report_text();
      continue;
    }
    for (SequencePtr& owner : running_) {
      if (owner.get() == &sequence) finish(owner, *finished);
    }
  }
}

EngineStats EngineImpl::stats() const {
  EngineStats stats{.running = n_running_,
                    .pages_in_use = pages_->n_in_use(),
                    .pages_retained = pages_->n_retained(),
                    .pages_committed = pages_->n_committed(),
                    .pages_max = pages_->max_pages(),
                    .prompt_tokens = prompt_tokens_,
                    .cached_tokens = cached_tokens_,
                    .generated_tokens = generated_tokens_,
                    .preemptions = preemptions_,
                    .evicted_pages = pages_->n_evicted()};
  const std::lock_guard lock(mutex_);
  stats.waiting = static_cast<int32_t>(waiting_.size());
  return stats;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(std::unique_ptr<model::Model> model,
                                               std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                                               EngineOptions options) {
  const model::Hyperparameters& hyper = model->hyper();
  if (tokenizer->n_tokens() != hyper.n_vocab) {
    return {ErrorCode::kCorruptData, "engine: the tokenizer has " + std::to_string(tokenizer->n_tokens()) +
                                         " tokens, the model " + std::to_string(hyper.n_vocab)};
  }
  if (options.context_tokens < 0 || options.max_sequences < 1 || options.batch_tokens < 1) {
    return {ErrorCode::kInvalidArgument, "engine: context_tokens is " + std::to_string(options.context_tokens) +
                                             " (expected 0 or more), max_sequences " +
                                             std::to_string(options.max_sequences) + " (1 or more), batch_tokens " +
                                             std::to_string(options.batch_tokens) + " (1 or more)"};
  }
  if (options.context_tokens == 0 || options.context_tokens > hyper.context_tokens)
    options.context_tokens = hyper.context_tokens;
  const int64_t context = int64_t{pages_for(options.context_tokens)} * backend::kPageTokens;
  const int64_t most = options.max_sequences * context;
  if (options.pool_tokens <= 0 || options.pool_tokens > most) options.pool_tokens = most;
  options.pool_tokens = std::max(options.pool_tokens, int64_t{backend::kPageTokens});
  options.context_tokens = static_cast<int32_t>(std::min<int64_t>(options.context_tokens, options.pool_tokens));
  if (options.retained_tokens < 0) options.retained_tokens = context;
  if (options.pool_tokens / backend::kPageTokens > INT32_MAX / 2) {
    return {ErrorCode::kInvalidArgument, "engine: " + std::to_string(options.max_sequences) + " sequences of " +
                                             std::to_string(options.context_tokens) + " tokens are too many"};
  }
  options.batch_tokens = std::max(options.batch_tokens, options.max_sequences);
  if (!hyper.causal) {
    // A text is one batch, and its keys are never kept longer: no reason to round them.
    options.batch_tokens = std::max(options.batch_tokens, options.context_tokens);
    options.kv_type = backend::KvType::kF32;
  }
  auto engine = std::make_unique<EngineImpl>(std::move(model), std::move(tokenizer), options);
  DA_RETURN_IF_ERROR(engine->start());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace da::engine
