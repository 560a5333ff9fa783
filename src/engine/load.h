#pragma once

#include <memory>

#include "engine/engine.h"
#include "gguf/gguf.h"

namespace da::engine {

// Backend, model, tokenizer and engine of a file, with `options`' threads and instruction set. Blocks while the weights
// are packed and the tokenizer is made beside them; `progress` is called on this thread. Errors: those of
// Tokenizer::from_gguf, make_cpu_backend, Model::load, Model::probe, Engine::create.
Result<std::unique_ptr<Engine>> load_engine(std::shared_ptr<const gguf::File> file, const EngineOptions& options,
                                            const model::LoadProgress& progress = {});
// The same where a plan has put it.
Result<std::unique_ptr<Engine>> load_engine(std::shared_ptr<const gguf::File> file, model::Placement placement,
                                            const EngineOptions& options, const model::LoadProgress& progress = {});

}  // namespace da::engine
