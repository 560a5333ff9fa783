// OLMo 2, and OLMo 3 in files of the same name.
#include "model/arch/architectures.h"
#include "model/layer_pattern.h"

namespace da::model {
namespace {

Status read_olmo2(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(const int32_t window, keys.count_or("attention.sliding_window", 0, 0, kMaxContext));
  if (window == 0) return Status::ok();
  DA_RETURN_IF_ERROR(set_windows(keys, hyper, window, 4));
  return add_window_rope(keys, hyper, hyper.ropes[0].n_dims, hyper.ropes[0].freq_base);
}

}  // namespace

const Architecture kOlmo2{.name = "olmo2",
                          .rope_kind = backend::RopeKind::kNeox,
                          .block_norms = BlockNorms::kAfter,
                          .head_norm = HeadNorm::kAllHeads,
                          .read = read_olmo2};

}  // namespace da::model
