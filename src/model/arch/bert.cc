// Encoders: every token sees every other, and the hidden states are the result.
#include <string>

#include "model/arch/architectures.h"

namespace da::model {
namespace {

Status read_encoder(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(hyper.causal, keys.flag_or("attention.causal", false));
  return Status::ok();
}

// Every so-many-th layer has experts, the second the first of them.
Status read_nomic_bert_moe(KeyReader& keys, Hyperparameters& hyper) {
  DA_RETURN_IF_ERROR(read_encoder(keys, hyper));
  DA_ASSIGN_OR_RETURN(const int32_t period, keys.count("moe_every_n_layers", 0, kMaxLayers));
  for (int32_t i = 0; i < hyper.n_layers; ++i) {
    LayerParameters& layer = hyper.layers[static_cast<size_t>(i)];
    layer.has_experts = layer.has_experts && period > 0 && i % period == 1;
    if (!layer.has_experts && layer.n_ff < 1)
      return keys.bad_value("feed_forward_length", std::to_string(layer.n_ff), "at least 1");
  }
  return Status::ok();
}

}  // namespace

const Architecture kBert{.name = "bert",
                         .rope_kind = backend::RopeKind::kNone,
                         .norm = backend::NormKind::kLayer,
                         .norm_bias = Has::kMust,
                         .block_norms = BlockNorms::kAfterSum,
                         .has_output_norm = false,
                         .has_embedding_norm = true,
                         .has_positions = true,
                         .has_token_types = true,
                         .qkv_bias = Has::kMust,
                         .attn_output_bias = Has::kMust,
                         .ffn_bias = Has::kMust,
                         .activation = backend::GateKind::kGeluTanh,
                         .is_gated = false,
                         .has_output_head = false,
                         .after_attention = "attn_output_norm",
                         .after_ffn = "layer_output_norm",
                         .read = read_encoder};

const Architecture kNomicBert{.name = "nomic-bert",
                              .rope_kind = backend::RopeKind::kNeox,
                              .norm = backend::NormKind::kLayer,
                              .norm_bias = Has::kMust,
                              .block_norms = BlockNorms::kAfterSum,
                              .has_output_norm = false,
                              .has_embedding_norm = true,
                              .has_token_types = true,
                              .has_output_head = false,
                              .after_attention = "attn_output_norm",
                              .after_ffn = "layer_output_norm",
                              .read = read_encoder};

const Architecture kNomicBertMoe{.name = "nomic-bert-moe",
                                 .rope_kind = backend::RopeKind::kNeox,
                                 .norm = backend::NormKind::kLayer,
                                 .norm_bias = Has::kMust,
                                 .block_norms = BlockNorms::kAfterSum,
                                 .has_output_norm = false,
                                 .has_embedding_norm = true,
                                 .has_token_types = true,
                                 .activation = backend::GateKind::kGeluTanh,
                                 .is_gated = false,
                                 .has_experts = true,
                                 .normalizes_experts = false,
                                 .has_output_head = false,
                                 .after_attention = "attn_output_norm",
                                 .after_ffn = "layer_output_norm",
                                 .read = read_nomic_bert_moe};

}  // namespace da::model
