#include "model/stage_meter.h"

#include <algorithm>
#include <utility>

#include "model/stage.h"
#include "model/tensor_table.h"

namespace da::model {

Result<StageMeter> StageMeter::open(const gguf::File& file) {
  auto hyper = std::make_unique<Hyperparameters>();
  DA_ASSIGN_OR_RETURN(*hyper, read_hyperparameters(file));
  DA_RETURN_IF_ERROR(check_tensors(file, model_tensors(*hyper, file), hyper->warnings));
  return StageMeter(file, std::move(hyper));
}

bool StageMeter::can_begin(int32_t layer_idx) const {
  for (int32_t layer = layer_idx; layer < hyper_->n_layers; ++layer) {
    if (hyper_->layers[static_cast<size_t>(layer)].kv_layer_idx < layer_idx) return false;
  }
  return true;
}

Result<StageBytes> StageMeter::measure(std::unique_ptr<backend::Backend> counting, int32_t first_layer,
                                       int32_t n_layers, const MeterOptions& options) const {
  const LoadProgress no_progress;
  LoadState state{.file = *file_, .progress = no_progress, .count_only = true};
  LoadedStage stage(*hyper_, std::move(counting), first_layer, n_layers);
  DA_RETURN_IF_ERROR(stage.load(state));
  const bool whole = !hyper_->causal && options.whole_text_rows > 0;
  DA_RETURN_IF_ERROR(stage.reserve(whole ? std::max(options.max_rows, options.whole_text_rows) : options.max_rows,
                                   options.max_logit_rows));
  DA_ASSIGN_OR_RETURN(
      const auto pool,
      stage.make_kv_pool(whole ? backend::KvTypes(backend::KvType::kF32) : options.kv_type, options.max_pages));
  DA_RETURN_IF_ERROR(pool->grow(options.n_pages));
  return StageBytes{stage.backend().device_bytes(), pool->page_bytes};
}

}  // namespace da::model
