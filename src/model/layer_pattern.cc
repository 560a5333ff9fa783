#include "model/layer_pattern.h"

#include "model/hyperparameters.h"

namespace da::model {

Status set_windows(KeyReader& keys, Hyperparameters& hyper, int32_t window, int32_t period) {
  constexpr std::string_view kPattern = "attention.sliding_window_pattern";
  std::vector<bool> has_window;
  if (keys.has(kPattern) && keys.file().find(keys.key(kPattern))->type == gguf::ValueType::kArray) {
    DA_ASSIGN_OR_RETURN(const std::vector<int32_t> flags, keys.counts(kPattern, hyper.n_layers, 0, 1));
    has_window.assign(flags.begin(), flags.end());
  } else {
    DA_ASSIGN_OR_RETURN(period, keys.count_or(kPattern, period, 0, kMaxLayers));
    for (int32_t i = 0; i < hyper.n_layers; ++i) has_window.push_back(period == 0 || i % period < period - 1);
  }
  for (size_t i = 0; i < has_window.size(); ++i) hyper.layers[i].window = has_window[i] ? window : 0;
  return Status::ok();
}

Status add_window_rope(KeyReader& keys, Hyperparameters& hyper, int32_t n_dims, float default_freq_base) {
  RopeParameters rope;
  rope.n_dims = n_dims;
  DA_ASSIGN_OR_RETURN(rope.freq_base, keys.real_or("rope.freq_base_swa", default_freq_base, 1.0, 1e12));
  hyper.ropes.push_back(rope);
  for (LayerParameters& layer : hyper.layers) {
    if (layer.window > 0) layer.rope_idx = 1;
  }
  return Status::ok();
}

}  // namespace da::model
