#include <string>

#include "model/arch/architectures.h"

namespace da::model {
namespace {

// Early files name no width of the experts, which share the dense one.
Status read_expert_share(KeyReader& keys, Hyperparameters& hyper) {
  if (keys.has("expert_feed_forward_length") || hyper.experts.n == 0) return Status::ok();
  hyper.experts.n_ff = hyper.layers[0].n_ff / hyper.experts.n_used;
  if (hyper.experts.n_ff >= 1) return Status::ok();
  return keys.bad_value("feed_forward_length", std::to_string(hyper.layers[0].n_ff),
                        "at least the " + std::to_string(hyper.experts.n_used) + " experts that share it");
}

Status read_qwen2moe(KeyReader& keys, Hyperparameters& hyper) {
  DA_RETURN_IF_ERROR(read_expert_share(keys, hyper));
  DA_ASSIGN_OR_RETURN(const int32_t n_ff, keys.count_or("feed_forward_length", 0, 0, kMaxWidth));
  DA_ASSIGN_OR_RETURN(hyper.experts.n_shared_ff,
                      keys.count_or("expert_shared_feed_forward_length", n_ff, 1, kMaxWidth));
  hyper.experts.shared_is_gated = true;
  return Status::ok();
}

// Models that see images have rotations in sections, one for each axis. In text all count the same positions, so the
// sections change nothing; and what images would add to the first layers is not there.
Status read_text_of_images(KeyReader& keys, Hyperparameters&) {
  keys.ignore("rope.dimension_sections");
  keys.ignore("n_deepstack_layers");
  return Status::ok();
}

Status read_qwen3vlmoe(KeyReader& keys, Hyperparameters& hyper) {
  DA_RETURN_IF_ERROR(read_text_of_images(keys, hyper));
  return read_expert_share(keys, hyper);
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

const Architecture kQwen3Moe{.name = "qwen3moe",
                             .rope_kind = backend::RopeKind::kNeox,
                             .head_norm = HeadNorm::kShared,
                             .has_experts = true,
                             .read = read_expert_share};

const Architecture kQwen2Vl{
    .name = "qwen2vl", .rope_kind = backend::RopeKind::kNeox, .qkv_bias = Has::kMust, .read = read_text_of_images};

const Architecture kQwen3Vl{.name = "qwen3vl",
                            .rope_kind = backend::RopeKind::kNeox,
                            .head_norm = HeadNorm::kShared,
                            .read = read_text_of_images};

const Architecture kQwen3VlMoe{.name = "qwen3vlmoe",
                               .rope_kind = backend::RopeKind::kNeox,
                               .head_norm = HeadNorm::kShared,
                               .has_experts = true,
                               .read = read_qwen3vlmoe};

}  // namespace da::model
