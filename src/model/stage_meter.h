#pragma once

#include <cstdint>
#include <memory>

#include "backend/backend.h"
#include "base/result.h"
#include "gguf/gguf.h"
#include "model/model.h"

namespace da::model {

struct MeterOptions {
  int32_t max_rows = 512, max_logit_rows = 1;  // as of Model::reserve
  int32_t whole_text_rows = 0;                 // max_rows at least, of models that see a text as a whole, with F32 KV
  backend::KvTypes kv_type;
  int32_t max_pages = 0, n_pages = 0;  // of the KV pool: reserved, and committed
};

struct StageBytes {
  uint64_t total = 0;  // with n_pages pages
  uint64_t page = 0;   // of one page, all layers
};

// What runs of a model's layers would take on a device, found out by loading them with the model's own code on a
// backend that only counts.
class StageMeter {
 public:
  // `file` must outlive the meter. Errors: as of Model::load.
  static Result<StageMeter> open(const gguf::File& file);

  int32_t n_layers() const { return hyper_->n_layers; }
  // Whether a stage may begin with this layer: not if it, or a later one, reads keys and values that an earlier one
  // stores.
  bool can_begin(int32_t layer_idx) const;
  Result<StageBytes> measure(std::unique_ptr<backend::Backend> counting, int32_t first_layer, int32_t n_layers,
                             const MeterOptions& options) const;

 private:
  StageMeter(const gguf::File& file, std::unique_ptr<Hyperparameters> hyper) : file_(&file), hyper_(std::move(hyper)) {}

  const gguf::File* file_;
  std::unique_ptr<Hyperparameters> hyper_;
};

}  // namespace da::model
