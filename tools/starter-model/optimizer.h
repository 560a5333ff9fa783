// Muon for the layers' matrices (orthogonalised momentum: about half the steps of AdamW here), AdamW for the rest.
#pragma once

#include <cstdint>
#include <vector>

#include "model.h"

struct OptimizerOptions {
  float lr = 3e-3f;
  float weight_decay = 0.05f;
  float clip = 1.0f;  // on the global gradient norm
};

class Optimizer {
 public:
  explicit Optimizer(const Model& model);
  // Applies one step; grad is clipped in place. Returns the gradient's norm before clipping.
  float step(Model& model, std::vector<float>& grad, const OptimizerOptions& options, float lr, int n_threads);

  std::vector<float> momentum, second;  // same layout as the parameters; second is used by AdamW only
  int64_t n_steps = 0;

 private:
  void update_tensor(Model& model, size_t tensor_idx, const float* grad, float weight_decay, float lr);
};
