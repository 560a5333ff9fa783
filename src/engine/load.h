#pragma once

#include <memory>

#include "engine/engine.h"
#include "gguf/gguf.h"

namespace da::engine {

// Tokenizer, backend, model and engine of a file, with `options`' threads and instruction set. Blocks while the weights
// are packed; `progress` is called on this thread. Errors: those of Tokenizer::from_gguf, make_cpu_backend,
// Model::load.
Result<std::unique_ptr<Engine>> load_engine(std::shared_ptr<const gguf::File> file, const EngineOptions& options,
                                            const model::LoadProgress& progress = {});
// The same where a plan has put it, with a tokenizer the caller keeps for itself.
Result<std::unique_ptr<Engine>> load_engine(std::shared_ptr<const gguf::File> file,
                                            std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                                            model::Placement placement, const EngineOptions& options,
                                            const model::LoadProgress& progress = {});
// The same on the CPU.
Result<std::unique_ptr<Engine>> load_engine(std::shared_ptr<const gguf::File> file,
                                            std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                                            const EngineOptions& options, const model::LoadProgress& progress = {});

}  // namespace da::engine
