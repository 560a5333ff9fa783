#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "gguf/gguf.h"
#include "model/model.h"

namespace da::model {

using WeightPtr = std::unique_ptr<backend::Weight>;
using VectorPtr = std::unique_ptr<backend::Vector>;

// Where a load stands, over all backends.
struct LoadState {
  const gguf::File& file;
  const LoadProgress& progress;
  uint64_t bytes_total = 0, bytes_done = 0;
  uint64_t packed_bytes = 0;  // of weights and vectors made
  bool count_only = false;    // for a backend that only counts: values are not read, all are 1
};

// Hands a file's tensors to one backend, by name, and reports progress. Tensors were checked against their table.
class WeightLoader {
 public:
  WeightLoader(LoadState& state, backend::Backend& backend) : state_(state), backend_(backend) {}

  // The others give null, or nothing, if the file has no such tensor; matrix() must be given one it has.
  Result<WeightPtr> matrix(const std::string& name, backend::WeightUse use = {});
  Result<VectorPtr> vector(const std::string& name);
  Result<std::vector<float>> values(const std::string& name);
  // One tensor of several, which must be of one type: parts [names.size()][n_out][n_in].
  Result<WeightPtr> stacked(const std::vector<std::string>& names);
  // Rows (of each part), or values, [begin, begin + n) alone, of tensors that hold several.
  Result<WeightPtr> matrix_rows(const std::string& name, int64_t begin, int64_t n);
  Result<VectorPtr> vector_part(const std::string& name, int64_t begin, int64_t n);
  // A matrix [n_parts][n_out][n_in] that stands in no file.
  Result<WeightPtr> made_matrix(const std::string& name, const std::vector<float>& values, int64_t n_in, int64_t n_out,
                                int64_t n_parts);

  Result<VectorPtr> made_vector(std::span<const float> values) { return load(values); }

  bool has(const std::string& name) const { return state_.file.find_tensor(name) != nullptr; }

 private:
  Status advance(uint64_t bytes);
  Result<WeightPtr> load(const gguf::Tensor& tensor, backend::WeightUse use);
  Result<VectorPtr> load(std::span<const float> values);

  LoadState& state_;
  backend::Backend& backend_;
};

}  // namespace da::model
