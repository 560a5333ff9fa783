#pragma once

#include "model/hyperparameters.h"
#include "model/key_reader.h"

namespace da::model {

// Reads the rotation of all layers into hyper.ropes[0]. `context_tokens`: what the model will run with; beyond the
// original context, long-rope's long factors apply.
Status read_rope(KeyReader& keys, int32_t context_tokens, Hyperparameters& hyper);

}  // namespace da::model
