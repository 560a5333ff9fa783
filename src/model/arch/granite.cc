#include "model/arch/architectures.h"

namespace da::model {
namespace {

Status read_granite(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(hyper.embedding_scale, keys.real_or("embedding_scale", 1.0F, 0.0, 1e6));
  DA_ASSIGN_OR_RETURN(hyper.residual_scale, keys.real_or("residual_scale", 1.0F, 0.0, 1e6));
  // 0: as converters write what a model does not have.
  if (hyper.embedding_scale == 0) hyper.embedding_scale = 1.0F;
  if (hyper.residual_scale == 0) hyper.residual_scale = 1.0F;
  DA_ASSIGN_OR_RETURN(hyper.attention_scale, keys.real_or("attention.scale", 0.0F, 0.0, 1e6));
  DA_ASSIGN_OR_RETURN(const float divisor, keys.real("logit_scale", 1e-6, 1e6));
  hyper.logit_scale = 1.0F / divisor;
  // In this family the key says whether there is a rotation at all.
  DA_ASSIGN_OR_RETURN(const bool rotates, keys.flag_or("rope.scaling.finetuned", true));
  if (!rotates) {
    for (LayerParameters& layer : hyper.layers) layer.rope_idx = -1;
  }
  DA_ASSIGN_OR_RETURN(hyper.experts.n_shared_ff, keys.count_or("expert_shared_feed_forward_length", 0, 0, kMaxWidth));
  return Status::ok();
}

}  // namespace

const Architecture kGranite{.name = "granite", .read = read_granite};

const Architecture kGraniteMoe{.name = "granitemoe", .has_experts = true, .read = read_granite};

}  // namespace da::model
