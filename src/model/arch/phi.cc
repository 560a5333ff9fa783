#include "model/arch/architectures.h"

namespace da::model {
namespace {

using backend::RopeKind;

Status read_phi3(KeyReader& keys, Hyperparameters&) {
  // Written for the 4k models, whose window spans all but their whole context; the reference does not apply it either.
  keys.ignore("attention.sliding_window");
  keys.ignore("attention.sliding_window_pattern");
  return Status::ok();
}

}  // namespace

const Architecture kPhi2{.name = "phi2",
                         .rope_kind = RopeKind::kNeox,
                         .norm = backend::NormKind::kLayer,
                         .norm_bias = Has::kMust,
                         .is_parallel = true,
                         .qkv_bias = Has::kMust,
                         .attn_output_bias = Has::kMust,
                         .ffn_bias = Has::kMust,
                         .head_bias = Has::kMust,
                         .activation = backend::GateKind::kGeluTanh,
                         .is_gated = false};

const Architecture kPhi3{.name = "phi3", .rope_kind = RopeKind::kNeox, .has_fused_gate = true, .read = read_phi3};

}  // namespace da::model
