#include "model/tensor_table.h"

#include <unordered_set>

namespace da::model {
namespace {

constexpr size_t kMaxListed = 8;  // complaints in one message

std::string shape_text(const gguf::Tensor& tensor) {
  std::string text = "[";
  for (uint32_t i = 0; i < tensor.n_dims; ++i) text += (i == 0 ? "" : ", ") + std::to_string(tensor.dims[i]);
  return text + "]";
}

std::string shape_text(const TensorSpec& spec) {
  if (spec.role == TensorRole::kVector) return "[" + std::to_string(spec.dims[0]) + "]";
  return "[" + std::to_string(spec.dims[0]) + ", " + std::to_string(spec.dims[1]) + "]";
}

bool same_shape(const gguf::Tensor& tensor, const TensorSpec& spec) {
  return tensor.dims[0] == static_cast<uint64_t>(spec.dims[0]) &&
         tensor.dims[1] == static_cast<uint64_t>(spec.dims[1]) && tensor.dims[2] == 1 && tensor.dims[3] == 1;
}

bool may_be_vector(gguf::TensorType type) {
  return type == gguf::TensorType::kF32 || type == gguf::TensorType::kF16 || type == gguf::TensorType::kBF16;
}

}  // namespace

std::vector<TensorSpec> llama_tensors(const Hyperparameters& h, const Architecture& architecture) {
  using enum TensorRole;
  const int64_t n_query = int64_t{h.n_heads} * h.key_dim, n_key = int64_t{h.n_kv_heads} * h.key_dim;
  const int64_t n_value = int64_t{h.n_kv_heads} * h.value_dim, n_attended = int64_t{h.n_heads} * h.value_dim;
  std::vector<TensorSpec> specs = {
      {"token_embd.weight", kMatrix, {h.n_embd, h.n_vocab}},
      {"output_norm.weight", kVector, {h.n_embd, 1}},
      {"output.weight", kMatrix, {h.n_embd, h.n_vocab}, false},  // absent: tied to token_embd
      {"rope_freqs.weight", kVector, {h.rope_dims / 2, 1}, false},
  };
  for (int32_t layer_idx = 0; layer_idx < h.n_layers; ++layer_idx) {
    const std::string p = "blk." + std::to_string(layer_idx) + ".";
    const bool bias = architecture.requires_qkv_bias;
    specs.push_back({p + "attn_norm.weight", kVector, {h.n_embd, 1}});
    specs.push_back({p + "attn_q.weight", kMatrix, {h.n_embd, n_query}});
    specs.push_back({p + "attn_q.bias", kVector, {n_query, 1}, bias});
    specs.push_back({p + "attn_k.weight", kMatrix, {h.n_embd, n_key}});
    specs.push_back({p + "attn_k.bias", kVector, {n_key, 1}, bias});
    specs.push_back({p + "attn_v.weight", kMatrix, {h.n_embd, n_value}});
    specs.push_back({p + "attn_v.bias", kVector, {n_value, 1}, bias});
    if (architecture.has_qk_norm) {
      specs.push_back({p + "attn_q_norm.weight", kVector, {h.key_dim, 1}});
      specs.push_back({p + "attn_k_norm.weight", kVector, {h.key_dim, 1}});
    }
    specs.push_back({p + "attn_output.weight", kMatrix, {n_attended, h.n_embd}});
    specs.push_back({p + "attn_output.bias", kVector, {h.n_embd, 1}, false});
    specs.push_back({p + "ffn_norm.weight", kVector, {h.n_embd, 1}});
    specs.push_back({p + "ffn_gate.weight", kMatrix, {h.n_embd, h.n_ff}});
    specs.push_back({p + "ffn_up.weight", kMatrix, {h.n_embd, h.n_ff}});
    specs.push_back({p + "ffn_down.weight", kMatrix, {h.n_ff, h.n_embd}});
    specs.push_back({p + "ffn_gate.bias", kVector, {h.n_ff, 1}, false});
    specs.push_back({p + "ffn_up.bias", kVector, {h.n_ff, 1}, false});
    specs.push_back({p + "ffn_down.bias", kVector, {h.n_embd, 1}, false});
  }
  return specs;
}

Status check_tensors(const gguf::File& file, const std::vector<TensorSpec>& specs) {
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
    if (!expected.contains(tensor.name))
      complaints.push_back(tensor.name + " " + shape_text(tensor) + " is not expected");
  }
  if (complaints.empty()) return Status::ok();
  std::string message = "tensors do not fit the architecture " + std::string(file.architecture()) + ": ";
  for (size_t i = 0; i < complaints.size() && i < kMaxListed; ++i) message += (i == 0 ? "" : "; ") + complaints[i];
  if (complaints.size() > kMaxListed) message += "; and " + std::to_string(complaints.size() - kMaxListed) + " more";
  return {ErrorCode::kCorruptData, message};
}

}  // namespace da::model
