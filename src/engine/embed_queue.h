#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "engine/embed_turns.h"
#include "engine/engine.h"
#include "engine/kv_pages.h"
#include "engine/pooling.h"
#include "model/model.h"

namespace da::engine {

// Texts that wait for their vector. Everything runs on the engine's thread. A step is plan(), then compute().
class EmbedQueue {
 public:
  // A model that is not causal needs room for a whole text in one batch: no text is longer than what was reserved.
  EmbedQueue(model::Model& model, KvPages& pages);

  void add(Engine::RequestId id, EmbedInput input, EmbedCallback callback);
  bool empty() const { return jobs_.empty(); }
  EmbedTurns& turns() { return turns_; }
  // Ends one, or all, with `status`.
  void end(Engine::RequestId id, const Status& status);
  void end_all(const Status& status);

  // As many texts, or as much of a long one, as fit into a step. `others_run`: pages that are short now may come free.
  // The step's parts, valid until compute().
  const std::vector<EmbedTurns::Part>& plan(int32_t most_rows, const ClientShares& shares, bool others_run);
  // The device's status; kCancelled if `stop` was set meanwhile: then it is as if the step had not been.
  Status compute(const std::atomic<bool>* stop);
  // Texts whose vector was no numbers, so far. Any thread.
  int64_t n_not_finite() const { return n_not_finite_; }
  // Adds the pages held to `owned`.
  void list_pages(std::vector<int32_t>& owned) const;

 private:
  struct Job : EmbedText {
    std::vector<int32_t> tokens;
    EmbedCallback callback;
    Pooler pooler;
    std::vector<int32_t> pages;
  };

  bool take_pages(Job& job, int32_t n_rows);
  bool has_room_for(const Job& job) const;
  void take_rows(const EmbedTurns::Part& part, int32_t first_output, const backend::RowsView& rows);
  bool wants_row(const Job& job, int32_t position) const;
  void release_pages(Job& job);
  void finish(Job& job, Result<std::vector<float>> result);

  model::Model& model_;
  KvPages& pages_;
  model::Pooling pooling_;
  std::map<Engine::RequestId, std::unique_ptr<Job>> jobs_;
  std::set<const Job*> begun_;  // those with pages
  EmbedTurns turns_;
  std::vector<EmbedTurns::Part> parts_;
  Status short_of_pages_;  // the last time that there were none
  std::vector<int32_t> tokens_, outputs_;
  std::vector<backend::SequenceRows> sequences_;
  std::atomic<int64_t> n_not_finite_{0};
};

}  // namespace da::engine
