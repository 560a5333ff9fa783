#include "model/llama.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "model/rope_frequencies.h"
#include "model/tensor_table.h"
#include "model/weight_loader.h"

namespace da::model {
namespace {

using backend::Activation;
using backend::NormKind;
using WeightPtr = std::unique_ptr<backend::Weight>;
using VectorPtr = std::unique_ptr<backend::Vector>;
using ActivationPtr = std::unique_ptr<Activation>;

struct Layer {
  VectorPtr attn_norm, ffn_norm;   // [n_embd]
  WeightPtr wq, wk, wv, wo;        // [heads * dim][n_embd], wo [n_embd][n_heads * value_dim]
  VectorPtr bq, bk, bv, bo;        // null: none
  VectorPtr q_norm, k_norm;        // [key_dim] or null
  WeightPtr w_gate, w_up, w_down;  // [n_ff][n_embd], [n_ff][n_embd], [n_embd][n_ff]
  VectorPtr b_gate, b_up, b_down;  // null: none
};

// Work buffers, [max_rows][width].
struct Buffers {
  ActivationPtr x;             // [n_embd] the residual stream
  ActivationPtr h;             // [n_embd] normed
  ActivationPtr q, k, v;       // [heads * dim]
  ActivationPtr attended;      // [n_heads * value_dim]
  ActivationPtr gate, up, ff;  // [n_ff]
  ActivationPtr x_out, h_out;  // [n_embd] rows whose logits are wanted
  ActivationPtr logits;        // [n_vocab]
};

class Llama : public Model {
 public:
  Status load(std::shared_ptr<const gguf::File> file, std::unique_ptr<backend::Backend> backend,
              const Hyperparameters& hyper, const Architecture& architecture, const LoadProgress& progress);
  Status reserve(int32_t max_rows, int32_t max_output_rows) override;
  const Activation& forward(const backend::Batch& batch, backend::KvPool& kv) override;

 private:
  Status load_layer(WeightLoader& loader, int32_t layer_idx, Layer& layer) const;
  backend::NormSpec rms(const VectorPtr& weight) const {
    return {NormKind::kRms, weight.get(), nullptr, hyper_.norm_eps};
  }

  WeightPtr token_embd_, output_;  // [n_vocab][n_embd]; output_ null: tied
  VectorPtr output_norm_, rope_frequencies_;
  float rope_magnitude_ = 1.0F;
  std::vector<Layer> layers_;
  Buffers b_;
};

const Activation& Llama::forward(const backend::Batch& batch, backend::KvPool& kv) {
  backend::Backend& be = *backend_;
  const backend::AttentionSpec attention{.n_heads = hyper_.n_heads,
                                         .scale = 1.0F / std::sqrt(static_cast<float>(hyper_.key_dim))};
  be.begin(batch);
  be.embed({.weight = token_embd_.get()}, *b_.x);
  for (int32_t i = 0; i < hyper_.n_layers; ++i) {
    const Layer& l = layers_[static_cast<size_t>(i)];
    backend::RopeSpec rope{hyper_.rope_kind, hyper_.rope_dims, rope_frequencies_.get(), rope_magnitude_};
    if (l.q_norm) {
      rope.query_norm = rms(l.q_norm);
      rope.key_norm = rms(l.k_norm);
      rope.query_norm.dim = rope.key_norm.dim = hyper_.key_dim;
    }
    be.norm(*b_.x, rms(l.attn_norm), *b_.h);
    be.linear(*b_.h, {{{l.wq.get(), b_.q.get(), l.bq.get()},
                       {l.wk.get(), b_.k.get(), l.bk.get()},
                       {l.wv.get(), b_.v.get(), l.bv.get()}}});
    be.rope_store(rope, i, *b_.q, b_.k.get(), b_.v.get(), kv);
    be.attention(attention, i, *b_.q, kv, *b_.attended);
    be.linear(*b_.attended, {{{l.wo.get(), b_.x.get(), l.bo.get(), true}}});

    be.norm(*b_.x, rms(l.ffn_norm), *b_.h);
    be.linear(*b_.h, {{{l.w_gate.get(), b_.gate.get(), l.b_gate.get()}, {l.w_up.get(), b_.up.get(), l.b_up.get()}}});
    be.gate({backend::GateKind::kSilu}, *b_.gate, b_.up.get(), *b_.ff);
    be.linear(*b_.ff, {{{l.w_down.get(), b_.x.get(), l.b_down.get(), true}}});
  }
  be.select_outputs(*b_.x, *b_.x_out);
  be.norm(*b_.x_out, rms(output_norm_), *b_.h_out);
  be.linear(*b_.h_out, {{{(output_ ? output_ : token_embd_).get(), b_.logits.get()}}});
  return *b_.logits;
}

Status Llama::load_layer(WeightLoader& loader, int32_t layer_idx, Layer& l) const {
  const std::string p = "blk." + std::to_string(layer_idx) + ".";
  const std::pair<const char*, WeightPtr*> matrices[] = {
      {"attn_q.weight", &l.wq},       {"attn_k.weight", &l.wk},       {"attn_v.weight", &l.wv},
      {"attn_output.weight", &l.wo},  {"ffn_gate.weight", &l.w_gate}, {"ffn_up.weight", &l.w_up},
      {"ffn_down.weight", &l.w_down},
  };
  const std::pair<const char*, VectorPtr*> vectors[] = {
      {"attn_norm.weight", &l.attn_norm},
      {"ffn_norm.weight", &l.ffn_norm},
      {"attn_q.bias", &l.bq},
      {"attn_k.bias", &l.bk},
      {"attn_v.bias", &l.bv},
      {"attn_output.bias", &l.bo},
      {"attn_q_norm.weight", &l.q_norm},
      {"attn_k_norm.weight", &l.k_norm},
      {"ffn_gate.bias", &l.b_gate},
      {"ffn_up.bias", &l.b_up},
      {"ffn_down.bias", &l.b_down},
  };
  for (const auto& [name, slot] : matrices) {
    DA_ASSIGN_OR_RETURN(*slot, loader.matrix(p + name));
  }
  for (const auto& [name, slot] : vectors) {
    DA_ASSIGN_OR_RETURN(*slot, loader.vector(p + name));
  }
  return Status::ok();
}

Status Llama::load(std::shared_ptr<const gguf::File> file, std::unique_ptr<backend::Backend> backend,
                   const Hyperparameters& hyper, const Architecture& architecture, const LoadProgress& progress) {
  file_ = std::move(file);
  backend_ = std::move(backend);
  hyper_ = hyper;
  DA_RETURN_IF_ERROR(check_tensors(*file_, llama_tensors(hyper, architecture)));
  WeightLoader loader(*file_, *backend_, progress);

  const bool tied = !loader.has("output.weight");
  DA_ASSIGN_OR_RETURN(token_embd_, loader.matrix("token_embd.weight", {.rows = true, .product = tied}));
  if (!tied) {
    DA_ASSIGN_OR_RETURN(output_, loader.matrix("output.weight"));
  }
  DA_ASSIGN_OR_RETURN(output_norm_, loader.vector("output_norm.weight"));
  DA_ASSIGN_OR_RETURN(const std::vector<float> factors, loader.values("rope_freqs.weight"));
  for (const float factor : factors) {
    if (!(factor > 0 && std::isfinite(factor)))
      return {ErrorCode::kCorruptData, "tensor rope_freqs.weight: a factor is not a positive number"};
  }
  const RopeFrequencies frequencies = rope_frequencies(hyper_, factors);
  rope_magnitude_ = frequencies.magnitude;
  DA_ASSIGN_OR_RETURN(rope_frequencies_, backend_->load_vector(frequencies.radians_per_position));
  layers_.resize(static_cast<size_t>(hyper_.n_layers));
  for (int32_t i = 0; i < hyper_.n_layers; ++i)
    DA_RETURN_IF_ERROR(load_layer(loader, i, layers_[static_cast<size_t>(i)]));
  weight_bytes_ = loader.packed_bytes();
  return Status::ok();
}

Status Llama::reserve(int32_t max_rows, int32_t max_output_rows) {
  std::vector<const backend::Weight*> reads_h, reads_attended, reads_ff;
  for (const Layer& l : layers_) {
    for (const WeightPtr* w : {&l.wq, &l.wk, &l.wv, &l.w_gate, &l.w_up}) reads_h.push_back(w->get());
    reads_attended.push_back(l.wo.get());
    reads_ff.push_back(l.w_down.get());
  }
  const std::vector<const backend::Weight*> reads_h_out = {(output_ ? output_ : token_embd_).get()};
  struct Wanted {
    ActivationPtr* slot;
    int64_t width;
    int32_t rows;
    std::span<const backend::Weight* const> readers;
  };
  const int64_t n_key = int64_t{hyper_.n_kv_heads} * hyper_.key_dim,
                n_value = int64_t{hyper_.n_kv_heads} * hyper_.value_dim;
  const Wanted wanted[] = {
      {&b_.x, hyper_.n_embd, max_rows, {}},
      {&b_.h, hyper_.n_embd, max_rows, reads_h},
      {&b_.q, int64_t{hyper_.n_heads} * hyper_.key_dim, max_rows, {}},
      {&b_.k, n_key, max_rows, {}},
      {&b_.v, n_value, max_rows, {}},
      {&b_.attended, int64_t{hyper_.n_heads} * hyper_.value_dim, max_rows, reads_attended},
      {&b_.gate, hyper_.n_ff, max_rows, {}},
      {&b_.up, hyper_.n_ff, max_rows, {}},
      {&b_.ff, hyper_.n_ff, max_rows, reads_ff},
      {&b_.x_out, hyper_.n_embd, max_output_rows, {}},
      {&b_.h_out, hyper_.n_embd, max_output_rows, reads_h_out},
      {&b_.logits, hyper_.n_vocab, max_output_rows, {}},
  };
  buffer_bytes_ = 0;
  for (const Wanted& want : wanted) {
    DA_ASSIGN_OR_RETURN(*want.slot, backend_->make_activation(want.width, want.rows, want.readers));
    buffer_bytes_ += (*want.slot)->size_bytes;
  }
  return Status::ok();
}

}  // namespace

Result<std::unique_ptr<Model>> load_llama(std::shared_ptr<const gguf::File> file,
                                          std::unique_ptr<backend::Backend> backend, const Hyperparameters& hyper,
                                          const Architecture& architecture, const LoadProgress& progress) {
  auto model = std::make_unique<Llama>();
  DA_RETURN_IF_ERROR(model->load(std::move(file), std::move(backend), hyper, architecture, progress));
  return std::unique_ptr<Model>(std::move(model));
}

}  // namespace da::model
