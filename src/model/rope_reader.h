#pragma once

#include "model/hyperparameters.h"
#include "model/key_reader.h"

namespace da::model {

// Reads the rotation of all layers into hyper.ropes[0], and long-rope's near_context.
Status read_rope(KeyReader& keys, Hyperparameters& hyper);

}  // namespace da::model
