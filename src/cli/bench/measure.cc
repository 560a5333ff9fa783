#include "cli/bench/measure.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <utility>

namespace da::cli::bench {
namespace {

using Clock = std::chrono::steady_clock;
using engine::FinishReason;
using engine::Update;

engine::GenerateRequest greedy(std::vector<int32_t> prompt, int32_t n_tokens) {
  engine::GenerateRequest request;
  request.prompt = std::move(prompt);
  request.sampling.temperature = 0;
  request.max_tokens = n_tokens;
  request.ignores_end = true;
  request.speculates = false;  // random models fall into loops that are guessed too well
  return request;
}

// The last update of a request that is run to its end alone.
Result<Update> run_alone(engine::Engine& engine, engine::GenerateRequest request) {
  std::promise<Update> promise;
  DA_ASSIGN_OR_RETURN(const auto id, engine.submit(std::move(request), [&](const Update& update) {
    if (update.kind == Update::Kind::kFinished) promise.set_value(update);
  }));
  static_cast<void>(id);
  Update last = promise.get_future().get();
  DA_RETURN_IF_ERROR(last.error);
  return last;
}

// Streams that generate side by side, timed from the moment when the last of them is through its prompt.
class Race {
 public:
  Race(const engine::Engine& engine, size_t n_streams, int32_t n_tokens)
      : engine_(engine), streams_(n_streams), n_tokens_(n_tokens) {}

  void on_update(size_t stream_idx, const Update& update) {
    const std::lock_guard lock(mutex_);
    Stream& stream = streams_[stream_idx];
    if (update.kind == Update::Kind::kPrefill) {
      stream.prefilled = update.prompt_tokens_done >= update.prompt_tokens_total;
      const auto ready = [](const Stream& s) { return s.prefilled; };
      if (!begun_ && std::all_of(streams_.begin(), streams_.end(), ready)) {
        begun_ = true;
        begin_ = Clock::now();
        n_before_ = engine_.stats().generated_tokens;
      }
      return;
    }
    if (update.kind == Update::Kind::kFinished) {
      stream.finished = true;
      if (!update.error.is_ok()) error_ = update.error;
    }
    // The updates themselves would not do: tokens that end inside a character are told of later.
    const int64_t n_generated = engine_.stats().generated_tokens - n_before_;
    if (begun_ && !ended_ && n_generated >= n_tokens_ * static_cast<int64_t>(streams_.size())) {
      ended_ = true;
      end_ = Clock::now();
      n_counted_ = n_generated - static_cast<int64_t>(streams_.size());
    }
    changed_.notify_all();
  }

  void wait_for_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_ || all_finished(); });
  }
  // After this no update comes.
  void wait_for_finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return all_finished(); });
  }

  // The first token of each came without a pass of its own: it belongs to the prompt.
  Result<Sample> result() const {
    DA_RETURN_IF_ERROR(error_);
    if (!ended_) return {ErrorCode::kInternal, "bench: a request ended early"};
    return Sample{std::chrono::duration<double>(end_ - begin_).count(), n_counted_};
  }

 private:
  struct Stream {
    bool prefilled = false, finished = false;
  };
  bool all_finished() const {
    return std::all_of(streams_.begin(), streams_.end(), [](const Stream& s) { return s.finished; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  const engine::Engine& engine_;
  std::vector<Stream> streams_;
  const int32_t n_tokens_;
  int64_t n_before_ = 0, n_counted_ = 0;
  bool begun_ = false, ended_ = false;
  Clock::time_point begin_, end_;
  Status error_;
};

// Tokens a stream may run ahead while others are still in their prompts.
constexpr int32_t kSlackTokens = 64;

// Seeds of prompts that were not computed before; those below are the streams'.
constexpr uint32_t kFreshSeeds = 100'000;

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// A generator that other programs can repeat in a line: bench/peers gives other engines the same tokens.
std::vector<int32_t> Measurer::random_tokens(uint32_t seed, int32_t n) const {
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  for (int32_t& token : tokens) {
    seed = seed * 1664525 + 1013904223;
    token = static_cast<int32_t>((seed >> 8) % static_cast<uint32_t>(n_vocab_));
  }
  return tokens;
}

std::vector<int32_t> Measurer::prefix(int32_t stream_idx, int32_t n) const {
  return random_tokens(static_cast<uint32_t>(stream_idx) + 1, n);
}

Status Measurer::warm_up() { return run_alone(engine_, greedy(random_tokens(0, 33), 8)).status(); }

Status Measurer::prepare(const Case& what) {
  if (what.depth == 0) return Status::ok();
  for (int32_t i = 0; i < what.streams; ++i)
    DA_RETURN_IF_ERROR(run_alone(engine_, greedy(prefix(i, what.depth), 1)).status());
  return Status::ok();
}

Result<Sample> Measurer::run(const Case& what) {
  return what.kind == CaseKind::kPrompt ? run_prompt(what) : run_generate(what);
}

Result<Sample> Measurer::run_prompt(const Case& what) {
  std::vector<int32_t> prompt = prefix(0, what.depth);
  const std::vector<int32_t> fresh = random_tokens(kFreshSeeds + ++n_prompts_, what.n_tokens);
  prompt.insert(prompt.end(), fresh.begin(), fresh.end());
  DA_ASSIGN_OR_RETURN(const Update last, run_alone(engine_, greedy(std::move(prompt), 1)));
  return Sample{static_cast<double>(last.prefill_ns) * 1e-9, last.prompt_tokens_total - last.cached_tokens};
}

Result<Sample> Measurer::run_generate(const Case& what) {
  Race race(engine_, static_cast<size_t>(what.streams), what.n_tokens);
  std::vector<engine::Engine::RequestId> ids;
  for (int32_t i = 0; i < what.streams; ++i) {
    auto request = greedy(prefix(i, std::max(what.depth, 1)), what.n_tokens + kSlackTokens);
    const auto on_update = [&race, i](const Update& update) { race.on_update(static_cast<size_t>(i), update); };
    const auto id = engine_.submit(std::move(request), on_update);
    if (id.is_ok()) ids.push_back(*id);
    if (!id.is_ok()) on_update({.kind = Update::Kind::kFinished, .reason = FinishReason::kError, .error = id.status()});
  }
  race.wait_for_end();
  for (const auto id : ids) engine_.cancel(id);
  race.wait_for_finish();
  return race.result();
}

}  // namespace da::cli::bench
