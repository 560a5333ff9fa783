#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "gguf/gguf.h"
#include "model/model.h"

namespace da::model {

// Hands a file's tensors to a backend, one by name, and reports progress. Tensors were checked against their table.
class WeightLoader {
 public:
  WeightLoader(const gguf::File& file, backend::Backend& backend, const LoadProgress& progress);

  Result<std::unique_ptr<backend::Weight>> matrix(const std::string& name, backend::WeightUse use = {});
  // null if the file has no such tensor.
  Result<std::unique_ptr<backend::Vector>> vector(const std::string& name);
  // The values; empty if the file has no such tensor.
  Result<std::vector<float>> values(const std::string& name);

  bool has(const std::string& name) const { return file_.find_tensor(name) != nullptr; }
  uint64_t packed_bytes() const { return packed_bytes_; }

 private:
  Status advance(uint64_t bytes);

  const gguf::File& file_;
  backend::Backend& backend_;
  const LoadProgress& progress_;
  uint64_t bytes_done_ = 0, bytes_total_ = 0, packed_bytes_ = 0;
};

}  // namespace da::model
