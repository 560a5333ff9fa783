#include "model/stage.h"

#include <cmath>
#include <string>

#include "model/architecture.h"
#include "model/rope_frequencies.h"

namespace da::model {
namespace {

// On the half of each that the tokens' and the stream's share of a layer's own input have.
const float kHalfPower = std::sqrt(0.5F);

}  // namespace

LoadedStage::LoadedStage(const Hyperparameters& hyper, std::unique_ptr<backend::Backend> backend, int32_t first_layer,
                         int32_t n_layers)
    : hyper_(hyper), backend_(std::move(backend)), first_layer_(first_layer), layers_(static_cast<size_t>(n_layers)) {
  std::vector<int32_t> pool_index(static_cast<size_t>(hyper.n_layers), -1);
  for (int32_t i = 0; i < n_layers; ++i) {
    Layer& layer = layers_[static_cast<size_t>(i)];
    layer.layer_idx = first_layer + i;
    layer.shape = hyper.layers[static_cast<size_t>(layer.layer_idx)];
    if (layer.shape.kv_layer_idx == layer.layer_idx) {
      pool_index[static_cast<size_t>(layer.layer_idx)] = static_cast<int32_t>(kv_layers_.size());
      kv_layers_.push_back({layer.shape.n_kv_heads, layer.shape.key_dim, layer.shape.value_dim});
    }
    layer.kv_layer_idx = pool_index[static_cast<size_t>(layer.shape.kv_layer_idx)];
    DA_CHECK(layer.kv_layer_idx >= 0);
  }
}

Status LoadedStage::load_embedding(WeightLoader& loader) {
  const Architecture& a = *hyper_.architecture;
  const bool tied_here = is_last() && a.has_output_head && !loader.has("output.weight");
  constexpr backend::WeightUse kRows{.rows = true, .product = false};
  DA_ASSIGN_OR_RETURN(embedding_.tokens, loader.matrix("token_embd.weight", {.rows = true, .product = tied_here}));
  if (a.has_positions) {
    DA_ASSIGN_OR_RETURN(embedding_.positions, loader.matrix("position_embd.weight", kRows));
  }
  if (hyper_.n_token_types > 0) {
    DA_ASSIGN_OR_RETURN(embedding_.types, loader.matrix("token_types.weight", kRows));
  }
  DA_ASSIGN_OR_RETURN(embedding_.norm.weight, loader.vector("token_embd_norm.weight"));
  DA_ASSIGN_OR_RETURN(embedding_.norm.bias, loader.vector("token_embd_norm.bias"));
  if (hyper_.per_layer_width == 0) return Status::ok();
  DA_ASSIGN_OR_RETURN(embedding_.per_layer_tokens, loader.matrix("per_layer_token_embd.weight", kRows));
  DA_ASSIGN_OR_RETURN(embedding_.per_layer_proj, loader.matrix("per_layer_model_proj.weight"));
  DA_ASSIGN_OR_RETURN(embedding_.per_layer_norm, loader.vector("per_layer_proj_norm.weight"));
  return Status::ok();
}

Status LoadedStage::load_head(WeightLoader& loader) {
  DA_ASSIGN_OR_RETURN(head_.norm.weight, loader.vector("output_norm.weight"));
  DA_ASSIGN_OR_RETURN(head_.norm.bias, loader.vector("output_norm.bias"));
  if (!hyper_.architecture->has_output_head) return Status::ok();
  DA_ASSIGN_OR_RETURN(head_.bias, loader.vector("output.bias"));
  if (loader.has("output.weight")) {
    DA_ASSIGN_OR_RETURN(head_.output, loader.matrix("output.weight"));
  } else if (!is_first()) {
    DA_ASSIGN_OR_RETURN(head_.output, loader.matrix("token_embd.weight"));
  }
  return Status::ok();
}

Status LoadedStage::load_ropes(WeightLoader& loader) {
  for (const RopeParameters& rope : hyper_.ropes) {
    Rope loaded{.n_dims = rope.n_dims};
    std::vector<float> frequencies;  // of one set, or two
    for (const std::string& tensor : {rope.factors_tensor, rope.far_factors_tensor}) {
      if (tensor.empty() && !frequencies.empty()) continue;
      std::vector<float> factors;
      if (!tensor.empty()) {
        DA_ASSIGN_OR_RETURN(factors, loader.values(tensor));
      }
      for (const float factor : factors) {
        if (!(factor > 0 && std::isfinite(factor)))
          return {ErrorCode::kCorruptData, "tensor " + tensor + ": a factor is not a positive number"};
      }
      const RopeFrequencies made = rope_frequencies(rope, factors);
      frequencies.insert(frequencies.end(), made.radians_per_position.begin(), made.radians_per_position.end());
      loaded.magnitude = made.magnitude;
    }
    DA_ASSIGN_OR_RETURN(loaded.frequencies, backend_->load_vector(frequencies));
    ropes_.push_back(std::move(loaded));
  }
  return Status::ok();
}

Status LoadedStage::load(LoadState& state) {
  WeightLoader loader(state, *backend_);
  if (is_first()) DA_RETURN_IF_ERROR(load_embedding(loader));
  if (is_last()) DA_RETURN_IF_ERROR(load_head(loader));
  DA_RETURN_IF_ERROR(load_ropes(loader));
  for (Layer& layer : layers_) DA_RETURN_IF_ERROR(load_layer(hyper_, loader, layer));
  return Status::ok();
}

const backend::Weight* LoadedStage::head() const {
  return head_.output != nullptr ? head_.output.get() : embedding_.tokens.get();
}

Status LoadedStage::reserve(int32_t max_rows, int32_t max_logit_rows) {
  BufferPlan plan;
  plan.max_rows = max_rows;
  for (Layer& layer : layers_) plan_buffers(hyper_, layer, plan);
  plan.add(x_, BufferUse::kResidual, hyper_.n_embd, max_rows, {embedding_.per_layer_proj.get()});
  if (hyper_.per_layer_width > 0) {
    const int64_t width = int64_t{hyper_.per_layer_width} * hyper_.n_layers;
    plan.add(per_layer_, BufferUse::kPerLayer, width, max_rows);
    if (is_first()) plan.add(per_layer_projected_, BufferUse::kPerLayerProjected, width, max_rows);
  }
  if (is_last()) {
    plan.add(out_, BufferUse::kOutput, hyper_.n_embd, max_rows);
    const backend::Weight* reader = hyper_.architecture->has_output_head ? head() : nullptr;
    plan.add(out_normed_, BufferUse::kOutputNormed, hyper_.n_embd, max_rows, {reader});
    if (reader != nullptr) plan.add(logits_, BufferUse::kLogits, hyper_.n_vocab, max_logit_rows);
    plan_output_rows(plan, max_logit_rows);
  }
  buffers_.clear();
  DA_RETURN_IF_ERROR(plan.make(*backend_, buffers_));
  if (attended_outputs_ != nullptr) {
    Layer& last = layers_.back();
    last.output_buffers = last.buffers;
    last.output_buffers.x = out_;
    last.output_buffers.attended = attended_outputs_;
  }
  buffer_bytes_ = 0;
  for (const auto& buffer : buffers_) buffer_bytes_ += buffer->size_bytes;
  for (const Rope& rope : ropes_) DA_RETURN_IF_ERROR(backend_->reserve_rotation(*rope.frequencies, max_rows));
  for (const backend::Activation* result : {out_, out_normed_, logits_}) {
    if (result != nullptr) DA_RETURN_IF_ERROR(backend_->reserve_reading(*result));
  }

  std::vector<const backend::Weight*> readers;
  for (const Layer& layer : layers_) {
    if (!layer.shape.has_experts) continue;
    if (layer.experts.gate != nullptr) readers.push_back(layer.experts.gate.get());
    readers.push_back(layer.experts.up.get());
  }
  if (readers.empty()) return Status::ok();
  DA_ASSIGN_OR_RETURN(
      routing_, backend_->make_routing(hyper_.experts.n, hyper_.experts.n_used, max_rows, hyper_.n_embd, readers));
  buffer_bytes_ += routing_->size_bytes;
  return Status::ok();
}

// A prompt's rows but the last are wanted for their keys and values only: in the last layer they need not go on. Not
// where the feed-forward reads what the attention read, for which there is no second buffer.
void LoadedStage::plan_output_rows(BufferPlan& plan, int32_t max_logit_rows) {
  attended_outputs_ = nullptr;
  if (layers_.empty() || max_logit_rows < 1 || !hyper_.causal || hyper_.per_layer_width > 0) return;
  const Layer& last = layers_.back();
  const bool own_norm = last.ffn_norm.weight != nullptr && last.attn_norm.weight != nullptr;
  if (!own_norm) return;
  const int64_t value_dim = hyper_.latent.kv_rank > 0 ? hyper_.latent.value_dim : last.shape.value_dim;
  plan.add(attended_outputs_, BufferUse::kAttendedOutputs, last.shape.n_heads * value_dim, max_logit_rows,
           {last.attention.wo.get()});
}

Status LoadedStage::reserve_border() {
  DA_RETURN_IF_ERROR(backend_->reserve_reading(*x_));
  return per_layer_ == nullptr ? Status::ok() : backend_->reserve_reading(*per_layer_);
}

Status LoadedStage::try_border(LoadedStage& before) {
  before.x_->n_rows = 0;
  return backend_->receive(*before.backend_, *before.x_, *x_);
}

Result<std::unique_ptr<backend::KvPool>> LoadedStage::make_kv_pool(backend::KvTypes type, int32_t max_pages) {
  return backend_->make_kv_pool({.layers = kv_layers_, .type = type, .max_pages = max_pages});
}

void LoadedStage::begin(const backend::Batch& batch) {
  backend_->begin(batch);
  stream_ = x_;
  n_outputs_ = static_cast<int32_t>(batch.output_rows.size());
}

void LoadedStage::embed(const backend::Batch& batch) {
  using backend::EmbedIndex;
  begin(batch);
  backend_->embed({.weight = embedding_.tokens.get(), .scale = hyper_.embedding_scale}, *x_);
  if (embedding_.types != nullptr)
    backend_->embed({.weight = embedding_.types.get(), .index = EmbedIndex::kFirst, .accumulate = true}, *x_);
  if (embedding_.positions != nullptr)
    backend_->embed({.weight = embedding_.positions.get(), .index = EmbedIndex::kPosition, .accumulate = true}, *x_);
  if (embedding_.norm.weight != nullptr) backend_->norm(*x_, norm_spec(hyper_, embedding_.norm), *x_);
  if (per_layer_ != nullptr) embed_per_layer();
}

// What each layer gets of the token for itself: half from a table, half from the stream at its beginning.
void LoadedStage::embed_per_layer() {
  const float table_scale = std::sqrt(static_cast<float>(hyper_.per_layer_width));
  const float stream_scale = 1.0F / std::sqrt(static_cast<float>(hyper_.n_embd));
  backend_->embed({.weight = embedding_.per_layer_tokens.get(), .scale = table_scale}, *per_layer_);
  backend_->linear(*x_, {{{embedding_.per_layer_proj.get(), per_layer_projected_, nullptr, false, stream_scale}}});
  backend_->norm(*per_layer_projected_,
                 {.kind = backend::NormKind::kRms,
                  .weight = embedding_.per_layer_norm.get(),
                  .eps = hyper_.norm_eps,
                  .dim = hyper_.per_layer_width,
                  .accumulate = true},
                 *per_layer_);
  backend_->scale(kHalfPower, *per_layer_);
}

Status LoadedStage::receive(const backend::Batch& batch, LoadedStage& before) {
  begin(batch);
  DA_RETURN_IF_ERROR(backend_->receive(*before.backend_, *before.x_, *x_));
  return per_layer_ == nullptr ? Status::ok() : backend_->receive(*before.backend_, *before.per_layer_, *per_layer_);
}

void LoadedStage::run_layer(int32_t layer_idx, backend::KvPool& kv, const std::atomic<bool>* stop) {
  const bool outputs_only = attended_outputs_ != nullptr && layer_idx + 1 == n_layers() && n_outputs_ < x_->n_rows &&
                            n_outputs_ <= attended_outputs_->max_rows;
  const LayerContext context{hyper_, *backend_, ropes_, kv, routing_.get(), per_layer_, outputs_only, stop};
  model::run_layer(context, layers_[static_cast<size_t>(layer_idx)]);
  if (outputs_only) stream_ = out_;
}

bool LoadedStage::run_layers(backend::KvPool& kv, const std::atomic<bool>* stop) {
  for (int32_t layer_idx = 0; layer_idx < n_layers(); ++layer_idx) {
    run_layer(layer_idx, kv, stop);
    if (stop != nullptr && *stop) return false;
  }
  return true;
}

const backend::Activation& LoadedStage::finish(Output output) {
  if (stream_ == x_) backend_->select_outputs(*x_, *out_);
  const backend::Activation* hidden = out_;
  if (head_.norm.weight != nullptr) {
    backend_->norm(*out_, norm_spec(hyper_, head_.norm), *out_normed_);
    hidden = out_normed_;
  }
  if (output == Output::kHidden) return *hidden;
  DA_CHECK(logits_ != nullptr);
  backend_->linear(*hidden, {{{head(), logits_, head_.bias.get(), false, hyper_.logit_scale}}});
  if (hyper_.logit_softcap > 0) backend_->soft_cap(hyper_.logit_softcap, *logits_);
  return *logits_;
}

}  // namespace da::model
