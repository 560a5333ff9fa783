#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/hyperparameters.h"

namespace da::engine {

// One vector from the hidden states of a text, given in order.
class Pooler {
 public:
  explicit Pooler(model::Pooling pooling) : pooling_(pooling) {}

  void add(std::span<const float> row);
  // kMean: the mean; kCls: the first; kLast (and what is none of these): the last. Empty if nothing was added.
  std::vector<float> take();

 private:
  model::Pooling pooling_;
  std::vector<double> sum_;
  std::vector<float> row_;
  int64_t n_rows_ = 0;
};

// Divides by the Euclidean length, which counts as at least 1e-12.
void normalize(std::span<float> vector);

}  // namespace da::engine
