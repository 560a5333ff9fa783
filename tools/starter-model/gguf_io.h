// Writing the model as GGUF (matrices Q8_0, norms F32) and reading such a file back, to go on training from it.
#pragma once

#include <string>

#include "model.h"
#include "vocab.h"

void write_gguf(const Model& model, const Vocab& vocab, const std::string& path);

// Reads files written by write_gguf only. Throws std::runtime_error on anything else.
Model read_gguf(const std::string& path);
