#include "model/rope_reader.h"

namespace da::model {
namespace {

Status read_yarn(KeyReader& keys, RopeParameters& rope) {
  DA_ASSIGN_OR_RETURN(rope.ext_factor, keys.real_or("rope.scaling.yarn_ext_factor", 1.0F, 0.0, 1.0));
  DA_ASSIGN_OR_RETURN(rope.beta_fast, keys.real_or("rope.scaling.yarn_beta_fast", 32.0F, 1e-3, 1e6));
  DA_ASSIGN_OR_RETURN(rope.beta_slow, keys.real_or("rope.scaling.yarn_beta_slow", 1.0F, 1e-3, 1e6));
  DA_ASSIGN_OR_RETURN(const float attn_factor, keys.real_or("rope.scaling.yarn_attn_factor", 1.0F, 1e-3, 1e3));
  rope.attn_factor *= attn_factor;
  DA_ASSIGN_OR_RETURN(rope.mscale_all, keys.real_or("rope.scaling.yarn_log_multiplier", 0.0F, 0.0, 1e3));
  return Status::ok();
}

Status read_scaling(KeyReader& keys, RopeParameters& rope) {
  DA_ASSIGN_OR_RETURN(rope.attn_factor, keys.real_or("rope.scaling.attn_factor", 1.0F, 1e-3, 1e3));
  if (!keys.has("rope.scaling.type")) {
    // Files older than the type key: a linear divisor alone.
    DA_ASSIGN_OR_RETURN(rope.factor, keys.real_or("rope.scale_linear", 1.0F, 0.0, 1e6));
    DA_ASSIGN_OR_RETURN(rope.factor, keys.real_or("rope.scaling.factor", rope.factor, 0.0, 1e6));
    if (rope.factor == 0) rope.factor = 1.0F;
    if (rope.factor != 1.0F) rope.scaling = RopeScaling::kLinear;
    return Status::ok();
  }
  DA_ASSIGN_OR_RETURN(const std::string_view type, keys.text("rope.scaling.type"));
  if (type == "none" || type.empty()) return Status::ok();
  // Long-rope is all in its factors. The factor that some files give beside them is the growth of the context.
  if (type == "longrope") return Status::ok();
  if (type != "linear" && type != "yarn") {
    return {ErrorCode::kUnsupported, "key \"" + keys.key("rope.scaling.type") + "\": \"" + std::string(type) +
                                         "\" is not supported; known: none, linear, yarn, longrope"};
  }
  DA_ASSIGN_OR_RETURN(rope.factor, keys.real("rope.scaling.factor", 0.0, 1e6));
  if (rope.factor == 0) rope.factor = 1.0F;  // as converters write what a model does not have
  rope.scaling = type == "linear" ? RopeScaling::kLinear : RopeScaling::kYarn;
  return type == "linear" ? Status::ok() : read_yarn(keys, rope);
}

}  // namespace

Status read_rope(KeyReader& keys, Hyperparameters& hyper) {
  RopeParameters rope;
  const int32_t key_dim = hyper.layers[0].key_dim;
  DA_ASSIGN_OR_RETURN(rope.n_dims, keys.count_or("rope.dimension_count", key_dim, 2, key_dim));
  if (rope.n_dims % 2 != 0)
    return keys.bad_value("rope.dimension_count", std::to_string(rope.n_dims), "an even number");
  DA_ASSIGN_OR_RETURN(rope.freq_base, keys.real_or("rope.freq_base", 10000.0F, 1.0, 1e12));
  DA_RETURN_IF_ERROR(read_scaling(keys, rope));
  DA_ASSIGN_OR_RETURN(rope.original_context,
                      keys.count_or("rope.scaling.original_context_length", hyper.context_tokens, 0, kMaxContext));
  if (rope.original_context == 0) rope.original_context = hyper.context_tokens;
  const gguf::File& file = keys.file();
  rope.factors_tensor = "rope_freqs.weight";
  if (file.find_tensor("rope_factors_long.weight") != nullptr ||
      file.find_tensor("rope_factors_short.weight") != nullptr) {
    rope.factors_tensor = "rope_factors_short.weight";
    rope.far_factors_tensor = "rope_factors_long.weight";
    hyper.near_context = rope.original_context;
  }
  hyper.ropes = {rope};
  return Status::ok();
}

}  // namespace da::model
