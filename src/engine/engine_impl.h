#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/batch_planner.h"
#include "engine/embed_queue.h"
#include "engine/engine.h"
#include "engine/kv_pages.h"
#include "engine/sequence.h"
#include "engine/speculation.h"
#include "engine/step_budget.h"

// Only for engine.cc (what any thread calls), engine_loop.cc (what the engine's own thread does) and engine_embed.cc
// (what it does for texts that want a vector).
namespace da::engine {

using SequencePtr = std::unique_ptr<Sequence>;

struct Request {
  Engine::RequestId id;
  GenerateRequest request;
  UpdateCallback callback;
};
struct EmbedRequest {
  Engine::RequestId id;
  EmbedInput input;
  EmbedCallback callback;
};

class EngineImpl final : public Engine {
 public:
  EngineImpl(std::unique_ptr<model::Model> model, std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
             EngineOptions options);
  ~EngineImpl() override;
  Status start();

  Result<RequestId> submit(GenerateRequest request, UpdateCallback callback) override;
  Result<RequestId> embed(EmbedInput input, EmbedCallback callback) override;
  void cancel(RequestId id) override;
  void hold(RequestId id, bool held) override;
  void set_latency_target(std::chrono::milliseconds target) override;
  void set_on_rest(std::function<void()> on_rest) override;
  Status check_integrity() override;
  const std::shared_ptr<const tokenizer::Tokenizer>& tokenizer() const override { return tokenizer_; }
  int32_t context_tokens() const override { return options_.context_tokens; }
  std::vector<std::string> model_warnings() const override { return model_->warnings(); }
  uint64_t memory_bytes() const override;
  uint64_t device_bytes() const override { return model_->device_bytes(); }
  EngineStats stats() const override;

 private:
  int32_t max_pages() const { return static_cast<int32_t>(options_.pool_tokens / backend::kPageTokens); }

  Status check_tokens(const char* what, std::span<const int32_t> tokens, int32_t most) const;

  // Everything below runs on the engine's thread.
  struct Change;
  void run();
  bool take_requests();  // false: the engine is being destroyed
  Change wait_for_change();
  bool has_work() const;                             // under mutex_
  void give_up_step_for(const std::string& client);  // under mutex_
  bool may_admit(size_t n_running, bool stopping) const;
  void admit(std::vector<Request> requests, bool stopping);
  void meet_clients();
  void step();
  double note_step();
  void embed_step(bool others_run);
  void finish(SequencePtr& sequence, const Finish& finish);  // leaves null
  void finish_all(const Finish& reason);
  void note_device(const Status& status);
  void give_up();
  void note_forward(int32_t n_rows);
  // Around a forward pass of so many rows, which may be given up.
  void begin_forward(int32_t n_rows, std::vector<RequestId> ids, std::vector<std::string> clients);
  void end_forward();
  SequencePtr& owner(const PagedSequence* sequence);
  void prepare_grammar();
  Status page_integrity() const;

  Result<const backend::Activation*> forward(const BatchPlanner::Plan& plan);
  void take_tokens(const BatchPlanner::Plan& plan, const backend::Activation& logits);
  Status fetch_logits(const BatchPlanner::Plan& plan, const backend::Activation& logits);
  Sequence::Logits logits_of(int32_t output_idx) const;
  std::optional<Finish> take_tokens_of(const BatchPlanner::Part& part);
  void guess_drafts();

  std::unique_ptr<model::Model> model_;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  EngineOptions options_;
  Vocabulary vocabulary_;
  std::unique_ptr<grammar::TokenTrie> trie_;
  std::unique_ptr<KvPages> pages_;
  ClientShares clients_;
  std::unique_ptr<BatchPlanner> planner_;
  std::unique_ptr<EmbedQueue> embedding_;
  StepBudget budget_;
  StepCost cost_;
  Status device_lost_;
  std::chrono::steady_clock::time_point step_begun_;  // when there was something to do, or the step before ended
  std::chrono::steady_clock::time_point forward_begun_;
  bool forward_writes_only_ = false;  // few rows, none of a prompt

  std::vector<SequencePtr> running_;  // by priority, then in order of arrival
  std::vector<PagedSequence*> ranked_;
  // What was chosen on the device or came from it, of each of a step's outputs.
  std::vector<int32_t> greedy_;
  std::vector<backend::Candidate> candidates_;  // [n_outputs][n_candidates_]
  size_t n_candidates_ = 0;
  backend::RowsView logits_;  // all of them, or nothing
  bool gave_up_ = false;      // the last step, for one that was cancelled
  std::atomic<int32_t> n_running_{0}, n_held_{0};
  std::atomic<int64_t> prompt_tokens_{0}, cached_tokens_{0}, generated_tokens_{0}, preemptions_{0};
  std::atomic<int64_t> drafted_tokens_{0}, accepted_tokens_{0}, not_finite_{0};
  std::atomic<int64_t> steps_{0}, step_ns_{0}, forward_ns_{0};
  std::atomic<bool> stop_forward_{false};
  std::atomic<int64_t> target_ms_{0};

  mutable std::mutex mutex_;  // guards the rest
  std::condition_variable wake_;
  std::deque<Request> waiting_;  // by priority, then in order of arrival
  std::vector<EmbedRequest> to_embed_;
  std::vector<RequestId> cancelled_;
  std::vector<std::pair<RequestId, bool>> holds_;
  // Of a step that may be given up: its requests, their clients, and when it is expected to end.
  std::vector<RequestId> in_step_;
  std::vector<std::string> in_step_clients_;
  std::chrono::steady_clock::time_point in_step_begun_, in_step_ends_;
  std::chrono::nanoseconds lost_{0};  // to steps that were given up for newcomers
  std::vector<std::promise<Status>> integrity_checks_;
  RequestId next_id_ = 1;
  bool stopping_ = false;
  std::function<void()> on_rest_;
  bool rests_ = true;  // it was told already
  std::thread thread_;
};

}  // namespace da::engine
