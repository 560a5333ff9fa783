#include <cmath>
#include <string>

#include "model/arch/architectures.h"
#include "model/layer_pattern.h"

namespace da::model {
namespace {

using backend::GateKind;
using backend::RopeKind;

void scale_embeddings(Hyperparameters& hyper) { hyper.embedding_scale = std::sqrt(static_cast<float>(hyper.n_embd)); }

// The largest of a generation scales by the width a head would have without key_length.
void scale_attention(Hyperparameters& hyper, int32_t n_layers_of_largest) {
  if (hyper.n_layers == n_layers_of_largest)
    hyper.attention_scale = 1.0F / std::sqrt(static_cast<float>(hyper.n_embd / hyper.layers[0].n_heads));
}

Status read_gemma(KeyReader&, Hyperparameters& hyper) {
  scale_embeddings(hyper);
  return Status::ok();
}

Status read_gemma2(KeyReader& keys, Hyperparameters& hyper) {
  scale_embeddings(hyper);
  scale_attention(hyper, 46);
  DA_ASSIGN_OR_RETURN(hyper.attention_softcap, keys.real_or("attn_logit_softcapping", 50.0F, 0.0, 1e6));
  DA_ASSIGN_OR_RETURN(hyper.logit_softcap, keys.real_or("final_logit_softcapping", 30.0F, 0.0, 1e6));
  DA_ASSIGN_OR_RETURN(const int32_t window, keys.count_or("attention.sliding_window", 4096, 1, kMaxContext));
  return set_windows(keys, hyper, window, 2);
}

Status read_gemma3(KeyReader& keys, Hyperparameters& hyper) {
  scale_embeddings(hyper);
  scale_attention(hyper, 62);
  DA_ASSIGN_OR_RETURN(hyper.logit_softcap, keys.real_or("final_logit_softcapping", 0.0F, 0.0, 1e6));
  DA_ASSIGN_OR_RETURN(const int32_t window, keys.count_or("attention.sliding_window", 0, 0, kMaxContext));
  DA_RETURN_IF_ERROR(set_windows(keys, hyper, window, 6));
  return add_window_rope(keys, hyper, hyper.ropes[0].n_dims, 10000.0F);
}

// The last layers read what the last layer of their own kind (window or full) stored before them.
Status share_keys(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(const int32_t n_shared, keys.count_or("attention.shared_kv_layers", 0, 0, hyper.n_layers - 1));
  const int32_t n_own = hyper.n_layers - n_shared;
  for (int32_t i = n_own; i < hyper.n_layers; ++i) {
    LayerParameters& layer = hyper.layers[static_cast<size_t>(i)];
    int32_t source = n_own - 1;
    while (source >= 0 && (hyper.layers[static_cast<size_t>(source)].window > 0) != (layer.window > 0)) --source;
    if (source < 0) {
      return keys.bad_value(
          "attention.shared_kv_layers", std::to_string(n_shared),
          "a layer of the kind of layer " + std::to_string(i) + " among the first " + std::to_string(n_own));
    }
    layer.kv_layer_idx = source;
  }
  return Status::ok();
}

Status read_gemma4(KeyReader& keys, Hyperparameters& hyper) {
  scale_embeddings(hyper);
  hyper.attention_scale = 1.0F;
  DA_ASSIGN_OR_RETURN(hyper.logit_softcap, keys.real_or("final_logit_softcapping", 0.0F, 0.0, 1e6));
  DA_ASSIGN_OR_RETURN(hyper.per_layer_width, keys.count_or("embedding_length_per_layer_input", 0, 0, kMaxWidth));
  DA_ASSIGN_OR_RETURN(const int32_t window, keys.count_or("attention.sliding_window", 0, 0, kMaxContext));
  DA_RETURN_IF_ERROR(set_windows(keys, hyper, window, 6));
  const LayerParameters& first = hyper.layers[0];
  DA_ASSIGN_OR_RETURN(const int32_t key_dim, keys.count_or("attention.key_length_swa", first.key_dim, 1, kMaxHeadDim));
  DA_ASSIGN_OR_RETURN(const int32_t value_dim,
                      keys.count_or("attention.value_length_swa", first.value_dim, 1, kMaxHeadDim));
  for (LayerParameters& layer : hyper.layers) {
    if (layer.window == 0) continue;
    layer.key_dim = key_dim;
    layer.value_dim = value_dim;
  }
  DA_ASSIGN_OR_RETURN(const int32_t n_dims, keys.count_or("rope.dimension_count_swa", key_dim, 2, key_dim));
  DA_RETURN_IF_ERROR(add_window_rope(keys, hyper, n_dims, 10000.0F));
  // Experts run beside the dense feed-forward, in the layers that have a router.
  bool has_router = false;
  for (int32_t i = 0; i < hyper.n_layers; ++i) {
    LayerParameters& layer = hyper.layers[static_cast<size_t>(i)];
    layer.has_experts =
        layer.has_experts && keys.file().find_tensor("blk." + std::to_string(i) + ".ffn_gate_inp.weight") != nullptr;
    has_router = has_router || layer.has_experts;
    if (layer.n_ff < 1) return keys.bad_value("feed_forward_length", std::to_string(layer.n_ff), "at least 1");
  }
  if (hyper.experts.n > 0 && !has_router) {
    return keys.bad_value("expert_count", std::to_string(hyper.experts.n),
                          "a layer with the tensor ffn_gate_inp.weight");
  }
  return share_keys(keys, hyper);
}

}  // namespace

const Architecture kGemma{
    .name = "gemma", .rope_kind = RopeKind::kNeox, .activation = GateKind::kGeluTanh, .read = read_gemma};

const Architecture kGemma2{.name = "gemma2",
                           .rope_kind = RopeKind::kNeox,
                           .block_norms = BlockNorms::kBeforeAndAfter,
                           .activation = GateKind::kGeluTanh,
                           .read = read_gemma2};

const Architecture kGemma3{.name = "gemma3",
                           .rope_kind = RopeKind::kNeox,
                           .block_norms = BlockNorms::kBeforeAndAfter,
                           .head_norm = HeadNorm::kShared,
                           .activation = GateKind::kGeluTanh,
                           .read = read_gemma3};

const Architecture kGemma4{.name = "gemma4",
                           .rope_kind = RopeKind::kNeox,
                           .block_norms = BlockNorms::kBeforeAndAfter,
                           .head_norm = HeadNorm::kShared,
                           .norms_values = true,
                           .rope_factors = Has::kMust,  // which waves of the full layers turn
                           .layer_scale = Has::kMay,
                           .activation = GateKind::kGeluTanh,
                           .has_experts = true,
                           .has_experts_and_dense = true,
                           .read = read_gemma4};

}  // namespace da::model
