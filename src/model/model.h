#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "gguf/gguf.h"
#include "model/hyperparameters.h"
#include "model/kv_cache.h"
#include "model/placement.h"

namespace da::model {

// Called now and then on the loading thread. Returning false stops the load with kCancelled.
using LoadProgress = std::function<bool(uint64_t bytes_done, uint64_t bytes_total)>;

// What forward() computes of the output rows.
enum class Output : uint8_t { kLogits, kHidden };

// A model on its devices: weights, packed, and the forward pass. Used by one thread at a time.
class Model {
 public:
  ~Model();

  // `file` was opened with its data; the model keeps it (embedding rows are read from the mapping). Errors:
  // kUnsupported (architecture: the known are listed; tensor type), kCorruptData (a hyper-parameter, a missing, extra
  // or mis-shaped tensor: expected and found are named), kInvalidArgument (a placement that does not fit the layers),
  // kResourceExhausted, kCancelled.
  static Result<std::unique_ptr<Model>> load(std::shared_ptr<const gguf::File> file, Placement placement,
                                             const LoadProgress& progress = {});

  const Hyperparameters& hyper() const;
  // What a user should know about the file: see docs/model-files.md.
  const std::vector<std::string>& warnings() const { return hyper().warnings; }
  // Whether sequences of a context this long are SequenceRows::is_far: it must be the same for all rows of one.
  bool is_far(int32_t context_tokens) const {
    return hyper().near_context > 0 && context_tokens > hyper().near_context;
  }
  // False: only hidden states.
  bool has_logits() const;
  // The backend that holds what forward() returns.
  backend::Backend& output_backend();
  std::string description() const;  // of the stages: "CPU avx2, 2 threads"

  // Work buffers for batches of up to `max_rows` rows; logits for up to `max_logit_rows` of them, hidden states for
  // all. Before the first forward().
  Status reserve(int32_t max_rows, int32_t max_logit_rows);
  // Keys and values of up to `max_pages` pages; none is committed yet.
  Result<std::unique_ptr<KvCache>> make_kv_cache(backend::KvTypes type, int32_t max_pages);

  // Runs the batch; token ids, page ids and counts were checked by the caller. In a model that is not causal every
  // sequence must be whole. The result is [n_output_rows][n_vocab], or [n_embd] for kHidden, to be read with
  // output_backend().read_rows() or argmax(), valid until the next forward(). Errors: of a device, at a border;
  // kCancelled if `stop` was set by another thread meanwhile (looked at a few times in each layer).
  Result<const backend::Activation*> forward(const backend::Batch& batch, KvCache& kv, Output output = Output::kLogits,
                                             const std::atomic<bool>* stop = nullptr);

  // Runs two tokens, with buffers of its own: reserve() comes after. kCorruptData if what comes out is not finite, with
  // the first layer of which that is true: weights that are numbers one by one may still be damaged.
  Status probe();

  uint64_t weight_bytes() const;  // packed weights
  uint64_t buffer_bytes() const;  // work buffers
  uint64_t device_bytes() const;  // held now on GPUs: weights, buffers, tables, pages
  // Of the stages on the host's memory.
  uint64_t host_weight_bytes() const;
  uint64_t host_buffer_bytes() const;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace da::model
