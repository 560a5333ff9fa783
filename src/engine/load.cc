#include "engine/load.h"

#include <atomic>
#include <future>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "quant/finite.h"

namespace da::engine {

Result<std::unique_ptr<Engine>> load_engine(std::shared_ptr<const gguf::File> file, model::Placement placement,
                                            const EngineOptions& options, const model::LoadProgress& progress) {
  DA_RETURN_IF_ERROR(quant::check_vectors(*file));
  std::atomic<bool> no_tokenizer{false};
  auto making = std::async(std::launch::async, [&] {
    auto tokenizer = tokenizer::Tokenizer::from_gguf(*file);
    no_tokenizer = !tokenizer.is_ok();
    return tokenizer;
  });
  auto model = model::Model::load(file, std::move(placement), [&](uint64_t bytes_done, uint64_t bytes_total) {
    return !no_tokenizer && (!progress || progress(bytes_done, bytes_total));
  });
  DA_ASSIGN_OR_RETURN(auto tokenizer, making.get());
  DA_RETURN_IF_ERROR(model.status());
  DA_RETURN_IF_ERROR((*model)->probe());
  return Engine::create(std::move(*model), std::move(tokenizer), options);
}

Result<std::unique_ptr<Engine>> load_engine(std::shared_ptr<const gguf::File> file, const EngineOptions& options,
                                            const model::LoadProgress& progress) {
  DA_ASSIGN_OR_RETURN(auto backend, backend::make_cpu_backend({.n_threads = options.n_threads,
                                                               .isa = options.isa,
                                                               .map_weights = options.map_weights,
                                                               .pin_threads = options.pin_threads}));
  return load_engine(std::move(file), model::on_one(std::move(backend)), options, progress);
}

}  // namespace da::engine
