#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "engine/kv_pages.h"
#include "engine/pooling.h"
#include "model/model.h"

namespace da::engine {

// Texts that wait for their vector. Everything runs on the engine's thread.
class EmbedQueue {
 public:
  // A model that is not causal needs room for a whole text in one batch: `batch_tokens` is no less than the longest.
  EmbedQueue(model::Model& model, KvPages& pages, int32_t batch_tokens);

  void add(Engine::RequestId id, std::vector<int32_t> tokens, EmbedCallback callback);
  bool empty() const { return jobs_.empty(); }
  // Ends one, or all, with `status`.
  void end(Engine::RequestId id, const Status& status);
  void end_all(const Status& status);

  // One batch: as many texts, or as much of a long one, as fit. `others_run`: pages that are short now may come free.
  // The device's status.
  Status step(bool others_run);
  // Texts whose vector was no numbers, so far. Any thread.
  int64_t n_not_finite() const { return n_not_finite_; }
  // Adds the pages held to `owned`.
  void list_pages(std::vector<int32_t>& owned) const;

 private:
  struct Job {
    Engine::RequestId id;
    std::vector<int32_t> tokens;
    EmbedCallback callback;
    Pooler pooler;
    std::vector<int32_t> pages;
    int32_t n_done = 0;
    int32_t n_left() const { return static_cast<int32_t>(tokens.size()) - n_done; }
  };
  struct Part {
    Job* job;
    int32_t n_rows, first_output, n_outputs;
  };

  std::vector<Part> build_batch(bool others_run);
  bool wants_row(const Job& job, int32_t position) const;
  void finish(Job& job, Result<std::vector<float>> result);
  void erase_finished();

  model::Model& model_;
  KvPages& pages_;
  int32_t batch_tokens_;
  model::Pooling pooling_;
  std::deque<std::unique_ptr<Job>> jobs_;  // in order of arrival; a finished one has no callback
  std::vector<int32_t> tokens_, outputs_;
  std::vector<backend::SequenceRows> sequences_;
  std::atomic<int64_t> n_not_finite_{0};
};

}  // namespace da::engine
