// Decoders with LayerNorm and a plain feed-forward.
#include "model/arch/architectures.h"

namespace da::model {

const Architecture kGpt2{.name = "gpt2",
                         .rope_kind = backend::RopeKind::kNone,
                         .norm = backend::NormKind::kLayer,
                         .norm_bias = Has::kMust,
                         .has_positions = true,
                         .qkv_bias = Has::kMust,
                         .attn_output_bias = Has::kMust,
                         .ffn_bias = Has::kMust,
                         .activation = backend::GateKind::kGeluTanh,
                         .is_gated = false};

const Architecture kStarcoder2{.name = "starcoder2",
                               .rope_kind = backend::RopeKind::kNeox,
                               .norm = backend::NormKind::kLayer,
                               .norm_bias = Has::kMust,
                               .qkv_bias = Has::kMust,
                               .attn_output_bias = Has::kMust,
                               .ffn_bias = Has::kMust,
                               .activation = backend::GateKind::kGeluTanh,
                               .is_gated = false};

}  // namespace da::model
