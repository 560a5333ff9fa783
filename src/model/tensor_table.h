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
  std::array<int64_t, 3> dims{1, 1, 1};  // {n_in, n_out, n_parts}; a vector has {size}, or {size, n_parts}
  bool required = true;
};

// Every tensor of a model, once. The loader, the planner and the errors read this. Some stand in `file` in one of two
// forms (query, key and value apart or in one; latent keys and values likewise): those of the form it has.
std::vector<TensorSpec> model_tensors(const Hyperparameters& hyper, const gguf::File& file);

// kCorruptData listing what is missing, unexpected among the layers' own, or of another shape or role, expected and
// found. Tensors outside the layers that are not expected are named in `warnings`, but for those that serve images or
// sound and precomputed rotations.
Status check_tensors(const gguf::File& file, const std::vector<TensorSpec>& specs, std::vector<std::string>& warnings);

}  // namespace da::model
