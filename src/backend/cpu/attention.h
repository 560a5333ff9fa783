#pragma once

#include "backend/cpu/kernels.h"

namespace da::backend::cpu {

// piece_begin and piece_end of a job that is otherwise filled in.
void set_attention_pieces(AttentionJob& job);

}  // namespace da::backend::cpu
