// DeepSeek V2, V3, R1 and others with multi-head latent attention.
#include <cmath>

#include "model/arch/architectures.h"

namespace da::model {
namespace {

Status read_latent(KeyReader& keys, Hyperparameters& hyper) {
  LatentParameters& latent = hyper.latent;
  DA_ASSIGN_OR_RETURN(latent.kv_rank, keys.count("attention.kv_lora_rank", 1, kMaxHeadDim));
  DA_ASSIGN_OR_RETURN(latent.query_rank, keys.count_or("attention.q_lora_rank", 0, 0, kMaxWidth));
  // Newer files give the dims of the stored head as key_length and those of the expanded heads apart.
  const LayerParameters& first = hyper.layers[0];
  DA_ASSIGN_OR_RETURN(const int32_t key_dim, keys.count_or("attention.key_length_mla", first.key_dim, 1, kMaxHeadDim));
  DA_ASSIGN_OR_RETURN(latent.value_dim, keys.count_or("attention.value_length_mla", first.value_dim, 1, kMaxHeadDim));
  const int32_t n_dims = hyper.ropes[0].n_dims;
  if (n_dims >= key_dim) {
    return keys.bad_value("rope.dimension_count", std::to_string(n_dims),
                          "less than the " + std::to_string(key_dim) + " of a head");
  }
  latent.plain_dim = key_dim - n_dims;
  const int32_t stored_dim = latent.kv_rank + n_dims;
  if (stored_dim > kMaxHeadDim) {
    return keys.bad_value("attention.kv_lora_rank", std::to_string(latent.kv_rank),
                          "at most " + std::to_string(kMaxHeadDim - n_dims));
  }
  for (LayerParameters& layer : hyper.layers) {
    layer.n_kv_heads = 1;
    layer.key_dim = stored_dim;
    layer.value_dim = latent.kv_rank;
  }
  RopeParameters& rope = hyper.ropes[0];
  // The file has a tenth of the published number. Both terms of the magnitude have it, so that it is 1; scores grow
  // instead, with the square.
  rope.mscale = rope.mscale_all = rope.mscale_all * 10;
  const float growth = rope.scaling == RopeScaling::kYarn ? yarn_growth(rope.factor, rope.mscale_all) : 1.0F;
  hyper.attention_scale = growth * growth / std::sqrt(static_cast<float>(key_dim));
  return Status::ok();
}

Status read_experts(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(const int32_t n_dense, keys.count_or("leading_dense_block_count", 0, 0, hyper.n_layers));
  for (int32_t i = 0; i < n_dense; ++i) hyper.layers[static_cast<size_t>(i)].has_experts = false;
  ExpertParameters& experts = hyper.experts;
  if (experts.n == 0) return Status::ok();
  DA_ASSIGN_OR_RETURN(const int32_t n_shared, keys.count_or("expert_shared_count", 0, 0, 1024));
  experts.n_shared_ff = n_shared * experts.n_ff;
  return Status::ok();
}

Status read_deepseek2(KeyReader& keys, Hyperparameters& hyper) {
  DA_RETURN_IF_ERROR(read_latent(keys, hyper));
  return read_experts(keys, hyper);
}

}  // namespace

const Architecture kDeepseek2{.name = "deepseek2",
                              .qkv_bias = Has::kNo,
                              .attn_output_bias = Has::kNo,
                              .has_experts = true,
                              .normalizes_experts = false,
                              .read = read_deepseek2};

}  // namespace da::model
