#pragma once

#include "model/architecture.h"

namespace da::model {

// One row each, defined in the file of its family.
extern const Architecture kLlama, kMistral3;
extern const Architecture kQwen2, kQwen3, kQwen2Moe, kQwen3Moe, kQwen2Vl, kQwen3Vl, kQwen3VlMoe;
extern const Architecture kGemma, kGemma2, kGemma3, kGemma4;
extern const Architecture kPhi2, kPhi3;
extern const Architecture kGranite, kGraniteMoe;
extern const Architecture kDeepseek2;
extern const Architecture kGptOss;
extern const Architecture kCommandR, kCohere2;
extern const Architecture kOlmo2;
extern const Architecture kStarcoder2, kGpt2;
extern const Architecture kBert, kNomicBert, kNomicBertMoe;

}  // namespace da::model
