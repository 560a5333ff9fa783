#include "model/architecture.h"

#include <string>

#include "model/arch/architectures.h"

namespace da::model {
namespace {

constexpr const Architecture* kArchitectures[] = {
    &kLlama,   &kMistral3,   &kQwen2,   &kQwen3,  &kQwen2Moe,   &kQwen3Moe, &kGemma,   &kGemma2,     &kQwen2Vl,
    &kQwen3Vl, &kQwen3VlMoe, &kGemma3,  &kGemma4, &kPhi2,       &kPhi3,     &kGranite, &kGraniteMoe, &kDeepseek2,
    &kGptOss,  &kCommandR,   &kCohere2, &kOlmo2,  &kStarcoder2, &kGpt2,     &kBert,    &kNomicBert,  &kNomicBertMoe,
};

}  // namespace

Result<const Architecture*> find_architecture(std::string_view name) {
  std::string known;
  for (const Architecture* architecture : kArchitectures) {
    if (architecture->name == name) return architecture;
    known += (known.empty() ? "" : ", ") + std::string(architecture->name);
  }
  return {ErrorCode::kUnsupported, "architecture \"" + std::string(name) + "\" is not supported; known: " + known};
}

std::vector<std::string_view> known_architectures() {
  std::vector<std::string_view> names;
  for (const Architecture* architecture : kArchitectures) names.push_back(architecture->name);
  return names;
}

}  // namespace da::model
