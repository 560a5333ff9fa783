// Encoders: every token sees every other, and the hidden states are the result.
#include "model/arch/architectures.h"

namespace da::model {
namespace {

Status read_encoder(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(hyper.causal, keys.flag_or("attention.causal", false));
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

}  // namespace da::model
