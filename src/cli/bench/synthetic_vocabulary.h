#pragma once

#include <cstdint>

#include "gguf/writer.h"

namespace da::cli::bench {

// A byte-level BPE vocabulary of `n_tokens` (at least 512): the bytes, then words of letters, each made by one merge
// from a shorter word and a letter, and at the end the control tokens that begin and end a text.
void add_vocabulary(uint32_t n_tokens, gguf::Writer& writer);

}  // namespace da::cli::bench
