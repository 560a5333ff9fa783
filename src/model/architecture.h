#pragma once

#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"

namespace da::model {

// What tells architectures of one family apart; a variation is a field here, not a fork.
struct Architecture {
  std::string_view name;  // general.architecture
  backend::RopeKind rope_kind;
  bool requires_qkv_bias = false;  // otherwise optional
  bool has_qk_norm = false;        // RMS norm of each query and key head
};

// Error: kUnsupported lists the known architectures.
Result<const Architecture*> find_architecture(std::string_view name);
std::vector<std::string_view> known_architectures();

}  // namespace da::model
