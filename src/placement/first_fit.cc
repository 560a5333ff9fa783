#include "placement/first_fit.h"

#include <algorithm>
#include <charconv>

namespace da::placement {
namespace {

// The layer of "blk.12.attn_q.weight"; -1 if the tensor belongs to none.
int32_t layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return -1;
  int32_t layer = -1;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, layer);
  return error == std::errc() && rest != end && *rest == '.' ? layer : -1;
}

std::string mebibytes(uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

ModelNeeds model_needs(const gguf::File& file) {
  ModelNeeds needs;
  uint64_t table_bytes = 0;
  bool own_head = false;
  for (const gguf::Tensor& tensor : file.tensors()) {
    const int32_t layer = layer_of(tensor.name);
    // A file's layers are counted by its tensors; a wild number must not make a wild vector.
    if (layer >= 0 && static_cast<size_t>(layer) < file.tensors().size()) {
      if (static_cast<size_t>(layer) >= needs.layer_bytes.size())
        needs.layer_bytes.resize(static_cast<size_t>(layer) + 1);
      needs.layer_bytes[static_cast<size_t>(layer)] += tensor.size_bytes;
    } else if (tensor.name == "token_embd.weight") {
      table_bytes = tensor.size_bytes;
    } else if (tensor.name.starts_with("output")) {
      needs.output_bytes += tensor.size_bytes;
      own_head = own_head || tensor.name == "output.weight";
    }
  }
  if (!own_head) needs.output_bytes += table_bytes;
  return needs;
}

Plan first_fit(const ModelNeeds& needs, std::span<const Room> gpus, const Wishes& wishes) {
  const auto n_layers = static_cast<int32_t>(needs.layer_bytes.size());
  const int32_t most = wishes.gpu_layers < 0 ? n_layers : std::min(wishes.gpu_layers, n_layers);
  const auto bytes_of = [&](int32_t layer) {
    const uint64_t weights =
        needs.layer_bytes[static_cast<size_t>(layer)] + (layer == n_layers - 1 ? needs.output_bytes : 0);
    return weights + weights * kPackingSixteenths / 16 + wishes.kv_bytes_per_layer;
  };
  Plan plan;
  int32_t layer = 0;
  for (size_t gpu = 0; gpu < gpus.size() && layer < most; ++gpu) {
    const uint64_t room = gpus[gpu].free_bytes - std::min(gpus[gpu].free_bytes, kReservedGpuBytes);
    Stage stage{.device = static_cast<int32_t>(gpu)};
    while (layer < most && stage.bytes + bytes_of(layer) <= room) {
      stage.bytes += bytes_of(layer++);
      ++stage.n_layers;
    }
    if (stage.n_layers > 0) plan.stages.push_back(stage);
    if (layer < most) {
      plan.why += (plan.why.empty() ? "" : "; ") + std::string("GPU ") + std::to_string(gpu) +
                  " has no room for layer " + std::to_string(layer) + " (" + mebibytes(bytes_of(layer)) + ", " +
                  mebibytes(room - stage.bytes) + " left)";
    }
  }
  const int32_t on_gpus = layer;
  if (layer < n_layers) {
    Stage rest{.n_layers = n_layers - layer};
    for (; layer < n_layers; ++layer) rest.bytes += bytes_of(layer);
    plan.stages.push_back(rest);
  }
  plan.why = std::to_string(on_gpus) + " of " + std::to_string(n_layers) + " layers on " + std::to_string(gpus.size()) +
             (gpus.size() == 1 ? " GPU" : " GPUs") + (plan.why.empty() ? "" : ": " + plan.why);
  return plan;
}

}  // namespace da::placement
