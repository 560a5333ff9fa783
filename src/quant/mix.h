#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/gguf.h"

namespace da::quant {

// A file type as users name it: one tensor type for most matrices, better ones where a model is sensitive.
enum class MixId : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K_S,
  kQ3_K_M,
  kQ3_K_L,
  kQ4_K_S,
  kQ4_K_M,
  kQ5_K_S,
  kQ5_K_M,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4,
  kQ2_K_S,
  kIQ1_S,
  kIQ1_M,
  kIQ2_XXS,
  kIQ2_XS,
  kIQ2_S,
  kIQ2_M,
  kIQ3_XXS,
  kIQ3_XS,
  kIQ3_S,
  kIQ3_M,
  kTQ1_0,
  kTQ2_0,
  kNVFP4,
  kQ1_0,
  kQ2_0,
};

struct Mix {
  MixId id;
  std::string_view name;  // "Q4_K_M"
  uint32_t file_type;     // general.file_type
  gguf::TensorType type;  // of most matrices
};

// By name in any case; Q3_K, Q4_K and Q5_K mean the _M mixes, MXFP4_MOE is MXFP4. Error: kInvalidArgument lists the
// names.
Result<const Mix*> find_mix(std::string_view name);
std::string mix_names();  // "F32, F16, …"

// The type each tensor of `file` gets, in the file's order: the published mixes, some of which are finer with an
// importance matrix. Vectors, norms, routers and the like keep theirs. Error: kCorruptData (the architecture's keys).
Result<std::vector<gguf::TensorType>> choose_types(const gguf::File& file, const Mix& mix, bool has_importance = false);

// True if the tensor loses too much in this type unless it is known which of its inputs matter.
bool needs_importance(const gguf::Tensor& tensor, const Mix& mix, gguf::TensorType type);

}  // namespace da::quant
