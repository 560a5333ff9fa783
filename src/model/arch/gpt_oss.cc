#include "model/arch/architectures.h"
#include "model/layer_pattern.h"

namespace da::model {
namespace {

Status read_gpt_oss(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(const int32_t window, keys.count("attention.sliding_window", 0, kMaxContext));
  return set_windows(keys, hyper, window, 2);
}

}  // namespace

const Architecture kGptOss{.name = "gpt-oss",
                           .rope_kind = backend::RopeKind::kNeox,
                           .qkv_bias = Has::kMust,
                           .attn_output_bias = Has::kMust,
                           .has_sinks = true,
                           .activation = backend::GateKind::kSwigluOai,
                           .has_experts = true,
                           .expert_bias = Has::kMust,
                           .route_kind = backend::RouteKind::kSoftmaxOfChosen,
                           .normalizes_experts = false,
                           .ffn_norm = "post_attention_norm",
                           .read = read_gpt_oss};

}  // namespace da::model
