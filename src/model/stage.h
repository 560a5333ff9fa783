#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "model/layer.h"
#include "model/model.h"

namespace da::model {

// What stands before the first layer.
struct EmbeddingWeights {
  WeightPtr tokens, positions, types;  // [n][n_embd]; the last two may be null
  NormWeights norm;
  WeightPtr per_layer_tokens;  // [n_vocab][n_layers * per_layer_width] or null
  WeightPtr per_layer_proj;    // [n_layers * per_layer_width][n_embd]
  VectorPtr per_layer_norm;    // [per_layer_width]
};

// What stands after the last.
struct HeadWeights {
  NormWeights norm;
  WeightPtr output;  // [n_vocab][n_embd]; null: the embedding of the same stage, or none
  VectorPtr bias;
};

// A run of layers on one backend, with its part of the weights and buffers.
class LoadedStage {
 public:
  // Layers [first_layer, first_layer + n_layers). `is_first` and `is_last` bring the embedding and the head.
  LoadedStage(const Hyperparameters& hyper, std::unique_ptr<backend::Backend> backend, int32_t first_layer,
              int32_t n_layers);

  Status load(LoadState& state);
  Status reserve(int32_t max_rows, int32_t max_logit_rows);
  // What the stage after it reads through the host, where there is no shorter way.
  Status reserve_border();
  // Finds out how rows get across from the stage before, without any.
  Status try_border(LoadedStage& before);
  Result<std::unique_ptr<backend::KvPool>> make_kv_pool(backend::KvTypes type, int32_t max_pages);

  // The rows at its beginning: from the tokens, or from the stage before it.
  void embed(const backend::Batch& batch);
  Status receive(const backend::Batch& batch, LoadedStage& before);
  // False: given up, because `stop` was set meanwhile.
  bool run_layers(backend::KvPool& kv, const std::atomic<bool>* stop);
  // `layer_idx` counts from the stage's first.
  void run_layer(int32_t layer_idx, backend::KvPool& kv, const std::atomic<bool>* stop = nullptr);
  const backend::Activation& finish(Output output);

  backend::Backend& backend() { return *backend_; }
  const backend::Activation& rows() const { return *stream_; }  // as the last layer that ran left them
  int32_t first_layer() const { return first_layer_; }
  int32_t n_layers() const { return static_cast<int32_t>(layers_.size()); }
  uint64_t buffer_bytes() const { return buffer_bytes_; }
  bool is_first() const { return first_layer_ == 0; }
  bool is_last() const { return first_layer_ + static_cast<int32_t>(layers_.size()) == hyper_.n_layers; }

 private:
  Status load_embedding(WeightLoader& loader);
  Status load_head(WeightLoader& loader);
  Status load_ropes(WeightLoader& loader);
  void embed_per_layer();
  void begin(const backend::Batch& batch);
  void plan_output_rows(BufferPlan& plan, int32_t max_logit_rows);
  const backend::Weight* head() const;

  const Hyperparameters& hyper_;
  std::unique_ptr<backend::Backend> backend_;  // before what it made: destroyed last
  int32_t first_layer_;
  std::vector<Layer> layers_;
  std::vector<Rope> ropes_;
  std::vector<backend::KvLayer> kv_layers_;
  EmbeddingWeights embedding_;
  HeadWeights head_;

  std::vector<std::unique_ptr<backend::Activation>> buffers_;
  std::unique_ptr<backend::Routing> routing_;
  backend::Activation *x_ = nullptr, *per_layer_ = nullptr, *per_layer_projected_ = nullptr;
  backend::Activation *out_ = nullptr, *out_normed_ = nullptr, *logits_ = nullptr;
  backend::Activation* attended_outputs_ = nullptr;  // null: the last layer computes all rows to its end
  const backend::Activation* stream_ = nullptr;      // x_, or what is left of its rows
  int32_t n_outputs_ = 0;                            // of the batch
  uint64_t buffer_bytes_ = 0;
};

}  // namespace da::model
