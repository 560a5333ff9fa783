#include "model/arch/architectures.h"
#include "model/layer_pattern.h"

namespace da::model {
namespace {

Status read_command_r(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(hyper.logit_scale, keys.real("logit_scale", 1e-6, 1e6));
  return Status::ok();
}

// Three layers with a window and a rotation, then one that sees all and has none.
Status read_cohere2(KeyReader& keys, Hyperparameters& hyper) {
  DA_RETURN_IF_ERROR(read_command_r(keys, hyper));
  DA_ASSIGN_OR_RETURN(const int32_t window, keys.count("attention.sliding_window", 1, kMaxContext));
  DA_RETURN_IF_ERROR(set_windows(keys, hyper, window, 4));
  for (LayerParameters& layer : hyper.layers) {
    if (layer.window == 0) layer.rope_idx = -1;
  }
  return Status::ok();
}

}  // namespace

const Architecture kCommandR{.name = "command-r",
                             .norm = backend::NormKind::kLayer,
                             .is_parallel = true,
                             .head_norm = HeadNorm::kPerHead,
                             .read = read_command_r};

const Architecture kCohere2{
    .name = "cohere2", .norm = backend::NormKind::kLayer, .is_parallel = true, .read = read_cohere2};

}  // namespace da::model
