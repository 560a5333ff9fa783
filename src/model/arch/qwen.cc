#include "model/arch/architectures.h"

namespace da::model {
namespace {

Status read_qwen2moe(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(const int32_t n_ff, keys.count_or("feed_forward_length", 0, 0, kMaxWidth));
  DA_ASSIGN_OR_RETURN(hyper.experts.n_shared_ff,
                      keys.count_or("expert_shared_feed_forward_length", n_ff, 1, kMaxWidth));
  hyper.experts.shared_is_gated = true;
  return Status::ok();
}

}  // namespace

const Architecture kQwen2{.name = "qwen2", .rope_kind = backend::RopeKind::kNeox, .qkv_bias = Has::kMust};

const Architecture kQwen3{.name = "qwen3", .rope_kind = backend::RopeKind::kNeox, .head_norm = HeadNorm::kShared};

const Architecture kQwen2Moe{.name = "qwen2moe",
                             .rope_kind = backend::RopeKind::kNeox,
                             .qkv_bias = Has::kMust,
                             .has_experts = true,
                             .normalizes_experts = false,
                             .read = read_qwen2moe};

const Architecture kQwen3Moe{
    .name = "qwen3moe", .rope_kind = backend::RopeKind::kNeox, .head_norm = HeadNorm::kShared, .has_experts = true};

}  // namespace da::model
