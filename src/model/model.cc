#include "model/model.h"

#include <utility>

#include "model/architecture.h"
#include "model/llama.h"

namespace da::model {

Result<std::unique_ptr<Model>> Model::load(std::shared_ptr<const gguf::File> file,
                                           std::unique_ptr<backend::Backend> backend, const LoadOptions&,
                                           const LoadProgress& progress) {
  DA_ASSIGN_OR_RETURN(const Architecture* architecture, find_architecture(file->architecture()));
  DA_ASSIGN_OR_RETURN(const Hyperparameters hyper, read_hyperparameters(*file));
  return load_llama(std::move(file), std::move(backend), hyper, *architecture, progress);
}

Result<std::unique_ptr<backend::KvPool>> Model::make_kv_pool(backend::KvType type, int32_t max_pages) {
  const backend::KvLayer layer{hyper_.n_kv_heads, hyper_.key_dim, hyper_.value_dim};
  return backend_->make_kv_pool({.layers = std::vector<backend::KvLayer>(static_cast<size_t>(hyper_.n_layers), layer),
                                 .type = type,
                                 .max_pages = max_pages});
}

}  // namespace da::model
