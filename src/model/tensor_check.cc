#include <unordered_set>

#include "model/tensor_table.h"

namespace da::model {
namespace {

constexpr size_t kMaxListed = 8;  // complaints in one message

std::string shape_text(const gguf::Tensor& tensor) {
  std::string text = "[";
  for (uint32_t i = 0; i < tensor.n_dims; ++i) text += (i == 0 ? "" : ", ") + std::to_string(tensor.dims[i]);
  return text + "]";
}

std::string shape_text(const TensorSpec& spec) {
  const bool vector = spec.role == TensorRole::kVector;
  const size_t n_dims = spec.dims[2] > 1 ? 3 : (!vector || spec.dims[1] > 1) ? 2 : 1;
  std::string text = "[";
  for (size_t i = 0; i < n_dims; ++i) text += (i == 0 ? "" : ", ") + std::to_string(spec.dims[i]);
  return text + "]";
}

bool same_shape(const gguf::Tensor& tensor, const TensorSpec& spec) {
  for (size_t i = 0; i < spec.dims.size(); ++i) {
    if (tensor.dims[i] != static_cast<uint64_t>(spec.dims[i])) return false;
  }
  return tensor.dims[3] == 1;
}

bool may_be_vector(gguf::TensorType type) {
  return type == gguf::TensorType::kF32 || type == gguf::TensorType::kF16 || type == gguf::TensorType::kBF16;
}

// Parts of a file that serve images or sound, and rotations worked out beforehand by old converters.
bool is_known_extra(std::string_view name) {
  for (const std::string_view prefix : {"v.", "mm.", "a.", "audio.", "vision.", "model.vision_tower.", "s."}) {
    if (name.starts_with(prefix)) return true;
  }
  return name.ends_with(".attn_rot_embd") || name.ends_with("rotary_emb.inv_freq");
}

}  // namespace

Status check_tensors(const gguf::File& file, const std::vector<TensorSpec>& specs, std::vector<std::string>& warnings) {
  std::vector<std::string> complaints;
  std::unordered_set<std::string_view> expected;
  for (const TensorSpec& spec : specs) {
    expected.insert(spec.name);
    const gguf::Tensor* tensor = file.find_tensor(spec.name);
    if (tensor == nullptr) {
      if (spec.required) complaints.push_back(spec.name + " " + shape_text(spec) + " is missing");
    } else if (!same_shape(*tensor, spec)) {
      complaints.push_back(spec.name + ": expected " + shape_text(spec) + ", found " + shape_text(*tensor));
    } else if (spec.role == TensorRole::kVector && !may_be_vector(tensor->type)) {
      complaints.push_back(spec.name + ": expected F32, F16 or BF16, found " +
                           std::string(gguf::tensor_type_info(tensor->type).name));
    }
  }
  for (const gguf::Tensor& tensor : file.tensors()) {
    if (expected.contains(tensor.name) || is_known_extra(tensor.name)) continue;
    // A layer has no idle weights: what is not asked for would have been multiplied.
    if (tensor.name.starts_with("blk.")) {
      complaints.push_back(tensor.name + " " + shape_text(tensor) + " is not expected");
    } else {
      warnings.push_back("tensor " + tensor.name + " is unknown; the model runs without it");
    }
  }
  if (complaints.empty()) return Status::ok();
  std::string message = "tensors do not fit the architecture " + std::string(file.architecture()) + ": ";
  for (size_t i = 0; i < complaints.size() && i < kMaxListed; ++i) message += (i == 0 ? "" : "; ") + complaints[i];
  if (complaints.size() > kMaxListed) message += "; and " + std::to_string(complaints.size() - kMaxListed) + " more";
  return {ErrorCode::kCorruptData, message};
}

}  // namespace da::model
