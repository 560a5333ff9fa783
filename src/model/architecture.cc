#include "model/architecture.h"

#include <string>

namespace da::model {
namespace {

using backend::RopeKind;

constexpr Architecture kArchitectures[] = {
    {.name = "llama", .rope_kind = RopeKind::kInterleaved},
    {.name = "qwen2", .rope_kind = RopeKind::kNeox, .requires_qkv_bias = true},
    {.name = "qwen3", .rope_kind = RopeKind::kNeox, .has_qk_norm = true},
};

}  // namespace

Result<const Architecture*> find_architecture(std::string_view name) {
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) return &architecture;
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  return {ErrorCode::kUnsupported, "architecture \"" + std::string(name) + "\" is not supported; known: " + known};
}

std::vector<std::string_view> known_architectures() {
  std::vector<std::string_view> names;
  for (const Architecture& architecture : kArchitectures) names.push_back(architecture.name);
  return names;
}

}  // namespace da::model
