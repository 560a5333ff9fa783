#pragma once

#include <memory>

#include "model/architecture.h"
#include "model/model.h"

namespace da::model {

// Llama and its close kin (qwen2, qwen3). `hyper` was read from `file`.
Result<std::unique_ptr<Model>> load_llama(std::shared_ptr<const gguf::File> file,
                                          std::unique_ptr<backend::Backend> backend, const Hyperparameters& hyper,
                                          const Architecture& architecture, const LoadProgress& progress);

}  // namespace da::model
