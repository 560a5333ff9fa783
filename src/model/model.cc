#include "model/model.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "model/architecture.h"
#include "model/stage.h"
#include "model/tensor_table.h"

namespace da::model {

struct Model::Impl {
  std::shared_ptr<const gguf::File> file;  // outlives the weights that read rows from it
  Hyperparameters hyper;
  std::vector<std::unique_ptr<LoadedStage>> stages;
  uint64_t weight_bytes = 0;
  std::vector<uint64_t> stage_weight_bytes;
};

namespace {

Status wrong_placement(const std::string& what) { return {ErrorCode::kInvalidArgument, "placement: " + what}; }

// Gives the last stage what is left, and checks that each layer finds the keys and values it reads in its own stage.
Status check_placement(const Hyperparameters& hyper, Placement& placement) {
  if (placement.empty()) return wrong_placement("no stages");
  int32_t first = 0;
  for (size_t i = 0; i < placement.size(); ++i) {
    Stage& stage = placement[i];
    if (stage.n_layers == 0 && i + 1 == placement.size()) stage.n_layers = hyper.n_layers - first;
    if (stage.n_layers < 1 || stage.n_layers > hyper.n_layers - first) {
      return wrong_placement("stage " + std::to_string(i) + " has " + std::to_string(stage.n_layers) +
                             " layers, expected 1 to the " + std::to_string(hyper.n_layers - first) + " left of " +
                             std::to_string(hyper.n_layers));
    }
    for (int32_t layer = first; layer < first + stage.n_layers; ++layer) {
      const int32_t source = hyper.layers[static_cast<size_t>(layer)].kv_layer_idx;
      if (source < first) {
        return wrong_placement("layer " + std::to_string(layer) + " reads the keys and values of layer " +
                               std::to_string(source) + ", which is in another stage");
      }
    }
    first += stage.n_layers;
  }
  if (first != hyper.n_layers)
    return wrong_placement(std::to_string(first) + " layers, expected " + std::to_string(hyper.n_layers));
  return Status::ok();
}

}  // namespace

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;

Result<std::unique_ptr<Model>> Model::load(std::shared_ptr<const gguf::File> file, Placement placement,
                                           const LoadProgress& progress) {
  auto impl = std::make_unique<Impl>();
  impl->file = std::move(file);
  DA_ASSIGN_OR_RETURN(impl->hyper, read_hyperparameters(*impl->file));
  DA_RETURN_IF_ERROR(check_placement(impl->hyper, placement));
  const std::vector<TensorSpec> specs = model_tensors(impl->hyper, *impl->file);
  DA_RETURN_IF_ERROR(check_tensors(*impl->file, specs, impl->hyper.warnings));
  LoadState state{*impl->file, progress};
  for (const TensorSpec& spec : specs) {
    const gguf::Tensor* tensor = impl->file->find_tensor(spec.name);
    if (tensor != nullptr) state.bytes_total += tensor->size_bytes;
  }
  int32_t first_layer = 0;
  for (Stage& stage : placement) {
    impl->stages.push_back(
        std::make_unique<LoadedStage>(impl->hyper, std::move(stage.backend), first_layer, stage.n_layers));
    const uint64_t before = state.packed_bytes;
    DA_RETURN_IF_ERROR(impl->stages.back()->load(state));
    impl->stage_weight_bytes.push_back(state.packed_bytes - before);
    first_layer += stage.n_layers;
  }
  impl->weight_bytes = state.packed_bytes;
  // Some files hold what this load did not need.
  if (progress && state.bytes_done < state.bytes_total && !progress(state.bytes_total, state.bytes_total))
    return {ErrorCode::kCancelled, "load: cancelled"};
  return std::unique_ptr<Model>(new Model(std::move(impl)));
}

const Hyperparameters& Model::hyper() const { return impl_->hyper; }
bool Model::has_logits() const { return impl_->hyper.architecture->has_output_head; }
backend::Backend& Model::output_backend() { return impl_->stages.back()->backend(); }
uint64_t Model::weight_bytes() const { return impl_->weight_bytes; }

std::string Model::description() const {
  std::string text;
  for (const auto& stage : impl_->stages) text += (text.empty() ? "" : " + ") + stage->backend().description();
  return text;
}

uint64_t Model::buffer_bytes() const {
  uint64_t bytes = 0;
  for (const auto& stage : impl_->stages) bytes += stage->buffer_bytes();
  return bytes;
}

uint64_t Model::device_bytes() const {
  uint64_t bytes = 0;
  for (const auto& stage : impl_->stages) bytes += stage->backend().device_bytes();
  return bytes;
}

uint64_t Model::host_weight_bytes() const {
  uint64_t bytes = 0;
  for (size_t i = 0; i < impl_->stages.size(); ++i) {
    if (impl_->stages[i]->backend().device_bytes() == 0) bytes += impl_->stage_weight_bytes[i];
  }
  return bytes;
}

uint64_t Model::host_buffer_bytes() const {
  uint64_t bytes = 0;
  for (const auto& stage : impl_->stages) {
    if (stage->backend().device_bytes() == 0) bytes += stage->buffer_bytes();
  }
  return bytes;
}

Status Model::reserve(int32_t max_rows, int32_t max_logit_rows) {
  for (const auto& stage : impl_->stages) {
    DA_RETURN_IF_ERROR(stage->reserve(max_rows, max_logit_rows));
    if (stage != impl_->stages.back()) DA_RETURN_IF_ERROR(stage->reserve_border());
  }
  for (size_t i = 1; i < impl_->stages.size(); ++i)
    DA_RETURN_IF_ERROR(impl_->stages[i]->try_border(*impl_->stages[i - 1]));
  return Status::ok();
}

Result<std::unique_ptr<KvCache>> Model::make_kv_cache(backend::KvTypes type, int32_t max_pages) {
  std::vector<std::unique_ptr<backend::KvPool>> pools;
  uint64_t host_page_bytes = 0;
  for (const auto& stage : impl_->stages) {
    DA_ASSIGN_OR_RETURN(auto pool, stage->make_kv_pool(type, max_pages));
    if (stage->backend().device_bytes() == 0) host_page_bytes += pool->page_bytes;
    pools.push_back(std::move(pool));
  }
  return std::make_unique<KvCache>(std::move(pools), host_page_bytes);
}

Status Model::probe() {
  DA_RETURN_IF_ERROR(reserve(2, 1));
  DA_ASSIGN_OR_RETURN(const auto kv, make_kv_cache(backend::KvType::kF32, 1));
  DA_RETURN_IF_ERROR(kv->grow(1));
  const int32_t n_rows = std::min(hyper().context_tokens, 2);
  const int32_t tokens[] = {0, hyper().n_vocab - 1}, pages[] = {0}, outputs[] = {n_rows - 1};
  const backend::SequenceRows sequence{.first_row = 0, .n_rows = n_rows, .first_position = 0, .pages = pages};
  const backend::Batch batch{.token_ids = std::span(tokens).first(static_cast<size_t>(n_rows)),
                             .sequences = {&sequence, 1},
                             .output_rows = outputs};
  const auto is_finite = [](backend::Backend& backend, const backend::Activation& rows) -> Result<bool> {
    DA_ASSIGN_OR_RETURN(const backend::RowsView view, backend.read_rows(rows));
    for (int64_t row = 0; row < view.n_rows; ++row) {
      for (const float value : view.row(row)) {
        if (!std::isfinite(value)) return false;
      }
    }
    return true;
  };
  DA_ASSIGN_OR_RETURN(const backend::Activation* result,
                      forward(batch, *kv, has_logits() ? Output::kLogits : Output::kHidden));
  DA_ASSIGN_OR_RETURN(const bool is_sound, is_finite(output_backend(), *result));
  if (is_sound) return Status::ok();
  // Once more, layer by layer.
  std::string where = "the output norm or head";
  for (size_t i = 0; i < impl_->stages.size(); ++i) {
    LoadedStage& stage = *impl_->stages[i];
    if (i == 0) {
      stage.embed(batch);
    } else {
      DA_RETURN_IF_ERROR(stage.receive(batch, *impl_->stages[i - 1]));
    }
    for (int32_t layer_idx = 0; layer_idx < stage.n_layers(); ++layer_idx) {
      stage.run_layer(layer_idx, kv->pool(i));
      DA_ASSIGN_OR_RETURN(const bool is_sound_here, is_finite(stage.backend(), stage.rows()));
      if (is_sound_here) continue;
      where = "layer " + std::to_string(stage.first_layer() + layer_idx);
      i = impl_->stages.size();
      break;
    }
  }
  return {ErrorCode::kCorruptData,
          "the model's first result is not finite numbers, from " + where + " on: its weights are damaged"};
}

Result<const backend::Activation*> Model::forward(const backend::Batch& batch, KvCache& kv, Output output,
                                                  const std::atomic<bool>* stop) {
  for (size_t i = 0; i < impl_->stages.size(); ++i) {
    LoadedStage& stage = *impl_->stages[i];
    if (i == 0) {
      stage.embed(batch);
    } else {
      DA_RETURN_IF_ERROR(stage.receive(batch, *impl_->stages[i - 1]));
    }
    if (!stage.run_layers(kv.pool(i), stop)) return Status(ErrorCode::kCancelled, "forward: given up");
  }
  return &impl_->stages.back()->finish(output);
}

}  // namespace da::model
