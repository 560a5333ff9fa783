#include "engine/load.h"

#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "quant/finite.h"

namespace da::engine {

Result<std::unique_ptr<Engine>> load_engine(std::shared_ptr<const gguf::File> file,
                                            std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                                            model::Placement placement, const EngineOptions& options,
                                            const model::LoadProgress& progress) {
  DA_RETURN_IF_ERROR(quant::check_vectors(*file));
  DA_ASSIGN_OR_RETURN(auto model, model::Model::load(std::move(file), std::move(placement), progress));
  DA_RETURN_IF_ERROR(model->probe());
  return Engine::create(std::move(model), std::move(tokenizer), options);
}

Result<std::unique_ptr<Engine>> load_engine(std::shared_ptr<const gguf::File> file,
                                            std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                                            const EngineOptions& options, const model::LoadProgress& progress) {
  DA_ASSIGN_OR_RETURN(auto backend, backend::make_cpu_backend({.n_threads = options.n_threads, .isa = options.isa}));
  return load_engine(std::move(file), std::move(tokenizer), model::on_one(std::move(backend)), options, progress);
}

Result<std::unique_ptr<Engine>> load_engine(std::shared_ptr<const gguf::File> file, const EngineOptions& options,
                                            const model::LoadProgress& progress) {
  DA_ASSIGN_OR_RETURN(std::unique_ptr<tokenizer::Tokenizer> tokenizer, tokenizer::Tokenizer::from_gguf(*file));
  return load_engine(std::move(file), std::shared_ptr<const tokenizer::Tokenizer>(std::move(tokenizer)), options,
                     progress);
}

}  // namespace da::engine
