#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "engine/grammar/grammar.h"
#include "engine/sampler.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

// Generation for many sequences at once on one model: each step takes the next token of every running sequence and
// chunks of waiting prompts within a token budget, as one ragged batch over a paged KV cache.
//
// A request's logits do not depend, bit by bit, on the requests beside it or on how its prompt was cut (see
// backend/backend.h): the same greedy or seeded request gives the same tokens alone and in company, on one instruction
// set.
namespace da::engine {

enum class FinishReason { kStop, kLength, kCancelled, kError };

struct GenerateRequest {
  std::vector<tokenizer::TokenId> prompt;  // not empty
  SamplingParams sampling;
  int32_t max_tokens = -1;                          // -1: until the context is full
  bool ignores_end = false;                         // goes on after tokens that end generation: for measurements
  bool speculates = true;                           // see EngineOptions::speculation
  std::vector<tokenizer::TokenId> written_tokens;   // control tokens that appear in the text, sorted; others do not
  std::vector<std::string> stop;                    // strings that end generation and are not part of the output
  std::shared_ptr<const grammar::Grammar> grammar;  // null: unconstrained
  // Computed tokens are shared between requests that begin alike and have the same namespace, never across.
  std::string name_space;
  int32_t priority = 0;        // higher goes first; among equals, who came first
  int32_t context_tokens = 0;  // of this request, prompt and answer; 0 or more than the engine's: the engine's
  // When the context is full: go on without half of the tokens after the first `keep_tokens`, as often as needed (it
  // takes max_tokens to end). Without it generation ends there.
  bool shift = false;
  int32_t keep_tokens = 0;
};

// One step's news of a request. `text` is whole UTF-8 characters; stop strings are held back, never sent.
struct Update {
  enum class Kind { kPrefill, kText, kFinished } kind = Kind::kText;
  int32_t prompt_tokens_done = 0, prompt_tokens_total = 0;  // kPrefill
  std::string text;                                         // kText
  std::vector<tokenizer::TokenId> tokens;                   // kText: the tokens behind it (may be empty or several)
  FinishReason reason = FinishReason::kStop;                // kFinished
  Status error;                                             // kFinished with kError
  int32_t generated_tokens = 0;                             // so far
  int32_t cached_tokens = 0;                                // kFinished: of the prompt, found computed already
  int32_t shifted_tokens = 0;                               // kFinished: dropped to go on; see GenerateRequest::shift
  int64_t prefill_ns = 0, decode_ns = 0;                    // kFinished
};
// Called on the engine's thread, in order, kFinished exactly once and last. Must not block.
using UpdateCallback = std::function<void(const Update&)>;

struct EmbedInput {
  std::vector<tokenizer::TokenId> tokens;  // not empty
  std::string client;                      // whose turn it is among many, as GenerateRequest::name_space
  int32_t priority = 0;
};

// Called once, on the engine's thread: the pooled hidden state of length 1. Must not block.
using EmbedCallback = std::function<void(Result<std::vector<float>>)>;

// Where tokens are guessed: nowhere, where it has shown to save time, or wherever there is a guess.
enum class Speculation : uint8_t { kOff, kWherePaid, kAlways };

struct EngineOptions {
  int32_t context_tokens = 0;  // per sequence; 0 or more than the model's own: the model's own
  int32_t max_sequences = 4;   // running at once; more wait
  // Token budget of a step; raised to max_sequences if below, and to the context for models that see a text as a whole.
  int32_t batch_tokens = 512;
  int32_t n_threads = 0;  // 0: the CPUs this process may use. For load_engine (engine/load.h), which makes the backend
  std::string isa;        // "": the best this CPU has. For load_engine
  bool map_weights = false;  // leave them in the file: see backend::CpuOptions. For load_engine
  bool pin_threads = false;  // the same
  backend::KvTypes kv_type;
  // Tokens the KV pool may hold; 0: a full context for each sequence. With less, the youngest requests step back when
  // it is full, and go on later with the same result.
  int64_t pool_tokens = 0;
  uint64_t kv_max_bytes = 0;  // limits the pool further, though not below kLeastContextTokens; 0: no limit
  // Guess tokens from what the text has said before, and check them with the next token in one step. The result is the
  // same, bit by bit.
  Speculation speculation = Speculation::kWherePaid;
  // Of those, tokens of finished requests kept to be shared; -1: one context.
  int64_t retained_tokens = -1;
  // Called once, on the engine's thread, when a device has failed: every request has had its error, every later one
  // gets it too. The process should end.
  std::function<void(const Status&)> on_device_lost;
};

// Rows of logits a step may want, for those who plan its memory.
int32_t most_logit_rows(const EngineOptions& options);

inline constexpr int32_t kLeastContextTokens = 4096;

// A moment's counts; the totals run from the start.
struct EngineStats {
  int32_t running = 0, waiting = 0, held = 0;  // held: of the running
  int32_t pages_in_use = 0, pages_retained = 0, pages_committed = 0, pages_max = 0;
  int64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0, preemptions = 0, evicted_pages = 0;
  int64_t drafted_tokens = 0, accepted_tokens = 0;  // guessed and checked; of them right
  int64_t not_finite = 0;  // requests that ended because the model's results were no finite numbers
  // Of all steps, and of them in the model: the rest is what taking requests, planning, sampling and reporting cost.
  int64_t steps = 0, step_ns = 0, forward_ns = 0;
  uint64_t weight_bytes = 0, buffer_bytes = 0, kv_bytes = 0;
  uint64_t host_weight_bytes = 0, host_buffer_bytes = 0, host_kv_bytes = 0;  // of those, not on GPUs
};

class Engine {
 public:
  using RequestId = uint64_t;
  virtual ~Engine() = default;  // cancels what runs and joins the thread

  static Result<std::unique_ptr<Engine>> create(std::unique_ptr<model::Model> model,
                                                std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                                                EngineOptions options);

  // Thread-safe. Errors: kInvalidArgument (empty prompt, token out of range), kResourceExhausted (prompt longer than
  // the context: both counts are named), kUnsupported (a model that makes embeddings only).
  virtual Result<RequestId> submit(GenerateRequest request, UpdateCallback callback) = 0;
  // Thread-safe. The vector of a text: pooled as the model's file asks, else the state of the last token. Errors as of
  // submit; later kCancelled, kInternal (a value that is no number).
  virtual Result<RequestId> embed(EmbedInput input, EmbedCallback callback) = 0;
  // Thread-safe; the request ends with kCancelled before the next step, and a long step is given up for it (every
  // second one at most, so that others go on). Unknown ids are ignored.
  virtual void cancel(RequestId id) = 0;
  // Thread-safe; a request that is held computes nothing until it is let go: for readers that lag behind. It keeps its
  // pages until others need them. Unknown ids are ignored.
  virtual void hold(RequestId id, bool held) = 0;
  // Thread-safe: what the time between two tokens of a request should not exceed; steps are made as small as that
  // takes, and newcomers wait. 0: no such target.
  virtual void set_latency_target(std::chrono::milliseconds target) = 0;

  // Called on the engine's thread each time nothing is left to compute (or all that runs is held), after the last
  // callback. Must not block. Thread-safe, but for a call under way it must be set before the first request.
  virtual void set_on_rest(std::function<void()> /*on_rest*/) {}

  virtual const std::shared_ptr<const tokenizer::Tokenizer>& tokenizer() const = 0;
  virtual int32_t context_tokens() const = 0;
  virtual uint64_t memory_bytes() const = 0;           // weights + KV pages committed + work buffers
  virtual uint64_t device_bytes() const { return 0; }  // of those, on GPUs
  virtual EngineStats stats() const = 0;               // thread-safe
  // What a user should know about the model's file.
  virtual std::vector<std::string> model_warnings() const { return {}; }
  // Thread-safe; waits for the step in progress. kInternal if pages are lost or owned twice (free + used = total).
  virtual Status check_integrity() = 0;
};

}  // namespace da::engine
