#pragma once

#include "model/key_reader.h"

namespace da::model {

struct Hyperparameters;

// Gives layers their window: all but each `period`-th, or as the key attention.sliding_window_pattern says (a period,
// or a flag for each layer). window 0: none.
Status set_windows(KeyReader& keys, Hyperparameters& hyper, int32_t window, int32_t period);

// A rotation without scaling for the layers with a window: base from rope.freq_base_swa.
Status add_window_rope(KeyReader& keys, Hyperparameters& hyper, int32_t n_dims, float default_freq_base);

}  // namespace da::model
