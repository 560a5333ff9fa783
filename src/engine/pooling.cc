#include "engine/pooling.h"

#include <algorithm>
#include <cmath>

namespace da::engine {

void Pooler::add(std::span<const float> row) {
  if (pooling_ == model::Pooling::kMean) {
    sum_.resize(row.size(), 0.0);
    for (size_t i = 0; i < row.size(); ++i) sum_[i] += static_cast<double>(row[i]);
  } else if (pooling_ != model::Pooling::kCls || n_rows_ == 0) {
    row_.assign(row.begin(), row.end());
  }
  ++n_rows_;
}

std::vector<float> Pooler::take() {
  if (pooling_ == model::Pooling::kMean) {
    row_.clear();
    for (const double sum : sum_) row_.push_back(static_cast<float>(sum / static_cast<double>(n_rows_)));
  }
  return std::move(row_);
}

void normalize(std::span<float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
  const double length = std::max(std::sqrt(squares), 1e-12);
  for (float& value : vector) value = static_cast<float>(static_cast<double>(value) / length);
}

}  // namespace da::engine
