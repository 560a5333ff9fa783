#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "backend/backend.h"
#include "base/result.h"
#include "gguf/gguf.h"
#include "model/hyperparameters.h"

namespace da::model {

// Called now and then on the loading thread. Returning false stops the load with kCancelled.
using LoadProgress = std::function<bool(uint64_t bytes_done, uint64_t bytes_total)>;

struct LoadOptions {};  // placement comes here

// A model on a device: its weights, packed, and its forward pass. Used by one thread at a time.
class Model {
 public:
  virtual ~Model() = default;

  // `file` was opened with its data; the model keeps it (embedding rows are read from the mapping). Errors:
  // kUnsupported (architecture: the known are listed; tensor type), kCorruptData (a hyper-parameter, a missing, extra
  // or mis-shaped tensor: expected and found are named), kResourceExhausted, kCancelled.
  static Result<std::unique_ptr<Model>> load(std::shared_ptr<const gguf::File> file,
                                             std::unique_ptr<backend::Backend> backend, const LoadOptions& options = {},
                                             const LoadProgress& progress = {});

  const Hyperparameters& hyper() const { return hyper_; }
  backend::Backend& backend() { return *backend_; }

  // Work buffers for batches of up to `max_rows` rows, `max_output_rows` of them with logits. Before the first
  // forward().
  virtual Status reserve(int32_t max_rows, int32_t max_output_rows) = 0;
  // Keys and values of up to `max_pages` pages; none is committed yet.
  Result<std::unique_ptr<backend::KvPool>> make_kv_pool(backend::KvType type, int32_t max_pages);

  // Runs the batch; token ids, page ids and counts were checked by the caller. The result is [n_output_rows][n_vocab],
  // to be read with backend().read_rows() or argmax(), valid until the next forward().
  virtual const backend::Activation& forward(const backend::Batch& batch, backend::KvPool& kv) = 0;

  uint64_t weight_bytes() const { return weight_bytes_; }  // packed weights
  uint64_t buffer_bytes() const { return buffer_bytes_; }  // work buffers

 protected:
  Model() = default;

  std::shared_ptr<const gguf::File> file_;
  std::unique_ptr<backend::Backend>
      backend_;  // after file_, before the weights of derived classes: destroyed in between
  Hyperparameters hyper_;
  uint64_t weight_bytes_ = 0, buffer_bytes_ = 0;
};

}  // namespace da::model
