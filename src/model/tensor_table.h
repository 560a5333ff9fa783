#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "gguf/gguf.h"
#include "model/architecture.h"
#include "model/hyperparameters.h"

namespace da::model {

// What a tensor is for; decides the types it may have.
enum class TensorRole : uint8_t { kVector, kMatrix };

struct TensorSpec {
  std::string name;
  TensorRole role = TensorRole::kMatrix;
  std::array<int64_t, 2> dims{1, 1};  // {n_in, n_out}; a vector has {size, 1}
  bool required = true;
};

// Every tensor of the Llama family (llama, qwen2, qwen3), once. The loader, the planner and the errors read this.
std::vector<TensorSpec> llama_tensors(const Hyperparameters& hyper, const Architecture& architecture);

// kCorruptData listing what is missing, unexpected or of another shape or role, expected and found.
Status check_tensors(const gguf::File& file, const std::vector<TensorSpec>& specs);

}  // namespace da::model
