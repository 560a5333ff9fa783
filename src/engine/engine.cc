#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "engine/engine_impl.h"

namespace da::engine {

EngineImpl::EngineImpl(std::unique_ptr<model::Model> model, std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                       EngineOptions options)
    : model_(std::move(model)), tokenizer_(std::move(tokenizer)), options_(options), budget_(options.batch_tokens) {}

EngineImpl::~EngineImpl() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stop_forward_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

int32_t most_logit_rows(const EngineOptions& options) {
  return std::min(options.batch_tokens,
                  options.max_sequences + (options.speculation == Speculation::kOff ? 0 : kMostDraftRows));
}

Status EngineImpl::start() {
  vocabulary_.tokenizer = tokenizer_.get();
  vocabulary_.context_tokens = options_.context_tokens;
  vocabulary_.near_context = model_->hyper().near_context;
  for (int32_t id = 0; id < tokenizer_->n_tokens(); ++id) {
    if (tokenizer_->is_end_of_generation(id)) vocabulary_.end_tokens.push_back(id);
  }
  DA_RETURN_IF_ERROR(model_->reserve(options_.batch_tokens, most_logit_rows(options_)));
  DA_ASSIGN_OR_RETURN(auto pool, model_->make_kv_cache(options_.kv_type, max_pages()));
  if (options_.kv_max_bytes > 0) {
    const auto bytes_for = static_cast<int64_t>(options_.kv_max_bytes / pool->page_bytes()) * backend::kPageTokens;
    options_.pool_tokens = std::min(options_.pool_tokens, std::max<int64_t>(bytes_for, kLeastContextTokens));
    options_.context_tokens = static_cast<int32_t>(std::min<int64_t>(options_.context_tokens, options_.pool_tokens));
    vocabulary_.context_tokens = options_.context_tokens;
  }
  const auto retained = static_cast<int32_t>(options_.retained_tokens / backend::kPageTokens);
  pages_ = std::make_unique<KvPages>(std::move(pool), max_pages(), retained);
  planner_ = std::make_unique<BatchPlanner>(*pages_, clients_, options_.max_sequences);
  embedding_ = std::make_unique<EmbedQueue>(*model_, *pages_);
  thread_ = std::thread([this] { run(); });
  return Status::ok();
}

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

Result<Engine::RequestId> EngineImpl::embed(EmbedInput input, EmbedCallback callback) {
  DA_RETURN_IF_ERROR(check_tokens("embed", input.tokens, options_.context_tokens));
  RequestId id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = next_id_++;
    give_up_step_for(input.client);
    to_embed_.push_back({id, std::move(input), std::move(callback)});
  }
  wake_.notify_all();
  return id;
}

// A newcomer of a client that takes no part in the step under way.
void EngineImpl::give_up_step_for(const std::string& client) {
  const bool takes_part = std::find(in_step_clients_.begin(), in_step_clients_.end(), client) != in_step_clients_.end();
  if (in_step_.empty() || takes_part || stop_forward_) return;
  const auto now = std::chrono::steady_clock::now();
  if (!is_worth_giving_up(now - in_step_begun_, in_step_ends_ - now, lost_, std::chrono::nanoseconds(step_ns_))) return;
  lost_ += now - in_step_begun_;
  stop_forward_ = true;
}

Result<Engine::RequestId> EngineImpl::submit(GenerateRequest request, UpdateCallback callback) {
  if (!model_->has_logits()) return {ErrorCode::kUnsupported, "generate: the model makes embeddings only"};
  DA_RETURN_IF_ERROR(check_tokens("generate", request.prompt, options_.context_tokens - 1));
  DA_RETURN_IF_ERROR(validate(request.sampling));
  RequestId id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = next_id_++;
    give_up_step_for(request.name_space);
    const auto place =
        std::upper_bound(waiting_.begin(), waiting_.end(), request.priority,
                         [](int32_t priority, const Request& other) { return priority > other.request.priority; });
    waiting_.insert(place, {id, std::move(request), std::move(callback)});
  }
  wake_.notify_all();
  return id;
}

void EngineImpl::cancel(RequestId id) {
  {
    const std::lock_guard lock(mutex_);
    cancelled_.push_back(id);
    if (std::find(in_step_.begin(), in_step_.end(), id) != in_step_.end()) stop_forward_ = true;
  }
  wake_.notify_all();
}

void EngineImpl::hold(RequestId id, bool held) {
  {
    const std::lock_guard lock(mutex_);
    holds_.emplace_back(id, held);
  }
  wake_.notify_all();
}

void EngineImpl::set_latency_target(std::chrono::milliseconds target) { target_ms_ = target.count(); }

void EngineImpl::set_on_rest(std::function<void()> on_rest) {
  const std::lock_guard lock(mutex_);
  on_rest_ = std::move(on_rest);
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

uint64_t EngineImpl::memory_bytes() const {
  return model_->device_bytes() + model_->host_weight_bytes() + model_->host_buffer_bytes() +
         pages_->pool().host_page_bytes() * static_cast<uint64_t>(pages_->n_committed());
}

EngineStats EngineImpl::stats() const {
  EngineStats stats{.running = n_running_,
                    .held = n_held_,
                    .pages_in_use = pages_->n_in_use(),
                    .pages_retained = pages_->n_retained(),
                    .pages_committed = pages_->n_committed(),
                    .pages_max = pages_->max_pages(),
                    .prompt_tokens = prompt_tokens_,
                    .cached_tokens = cached_tokens_,
                    .generated_tokens = generated_tokens_,
                    .preemptions = preemptions_,
                    .evicted_pages = pages_->n_evicted(),
                    .drafted_tokens = drafted_tokens_,
                    .accepted_tokens = accepted_tokens_,
                    .not_finite = not_finite_ + embedding_->n_not_finite(),
                    .steps = steps_,
                    .step_ns = step_ns_,
                    .forward_ns = forward_ns_,
                    .weight_bytes = model_->weight_bytes(),
                    .buffer_bytes = model_->buffer_bytes(),
                    .kv_bytes = pages_->pool().page_bytes() * static_cast<uint64_t>(pages_->n_committed()),
                    .host_weight_bytes = model_->host_weight_bytes(),
                    .host_buffer_bytes = model_->host_buffer_bytes(),
                    .host_kv_bytes = pages_->pool().host_page_bytes() * static_cast<uint64_t>(pages_->n_committed())};
  const std::lock_guard lock(mutex_);
  stats.waiting = static_cast<int32_t>(waiting_.size());
  return stats;
}

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
