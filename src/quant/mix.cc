#include "quant/mix.h"

#include <strings.h>
#include <algorithm>
#include <charconv>

namespace da::quant {
namespace {

using enum gguf::TensorType;
using gguf::TensorType;

constexpr Mix kMixes[] = {
    {MixId::kF32, "F32", 0, kF32},           {MixId::kF16, "F16", 1, kF16},
    {MixId::kBF16, "BF16", 32, kBF16},       {MixId::kQ8_0, "Q8_0", 7, kQ8_0},
    {MixId::kQ4_0, "Q4_0", 2, kQ4_0},        {MixId::kQ4_1, "Q4_1", 3, kQ4_1},
    {MixId::kQ5_0, "Q5_0", 8, kQ5_0},        {MixId::kQ5_1, "Q5_1", 9, kQ5_1},
    {MixId::kQ2_K, "Q2_K", 10, kQ2_K},       {MixId::kQ3_K_S, "Q3_K_S", 11, kQ3_K},
    {MixId::kQ3_K_M, "Q3_K_M", 12, kQ3_K},   {MixId::kQ3_K_L, "Q3_K_L", 13, kQ3_K},
    {MixId::kQ4_K_S, "Q4_K_S", 14, kQ4_K},   {MixId::kQ4_K_M, "Q4_K_M", 15, kQ4_K},
    {MixId::kQ5_K_S, "Q5_K_S", 16, kQ5_K},   {MixId::kQ5_K_M, "Q5_K_M", 17, kQ5_K},
    {MixId::kQ6_K, "Q6_K", 18, kQ6_K},       {MixId::kIQ4_NL, "IQ4_NL", 25, kIQ4_NL},
    {MixId::kIQ4_XS, "IQ4_XS", 30, kIQ4_XS}, {MixId::kMXFP4, "MXFP4", 38, kMXFP4},
};

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// What the rules ask about a model.
struct Facts {
  uint64_t n_layers = 0, n_experts = 0;
  uint64_t heads_per_kv = 1;
  bool tied = false;          // token_embd is the output matrix too
  bool is_llama_70b = false;  // its few value heads serve many queries
};

// A key that may be one number or one for each layer; the largest counts. 0 if absent.
Result<uint64_t> count_of(const gguf::File& file, const std::string& key) {
  const gguf::Value* value = file.find(key);
  if (value == nullptr) return uint64_t{0};
  if (std::get_if<std::shared_ptr<gguf::Array>>(&value->data) == nullptr) return file.get_uint(key);
  DA_ASSIGN_OR_RETURN(const gguf::Array* array, file.get_array(key));
  int64_t largest = 0;
  for (const int64_t number : array->integers) largest = std::max(largest, number);
  return static_cast<uint64_t>(largest);
}

Result<Facts> read_facts(const gguf::File& file) {
  const std::string prefix = std::string(file.architecture()) + ".";
  Facts facts;
  DA_ASSIGN_OR_RETURN(facts.n_layers, count_of(file, prefix + "block_count"));
  DA_ASSIGN_OR_RETURN(facts.n_experts, count_of(file, prefix + "expert_count"));
  DA_ASSIGN_OR_RETURN(const uint64_t n_heads, count_of(file, prefix + "attention.head_count"));
  DA_ASSIGN_OR_RETURN(const uint64_t n_kv_heads, count_of(file, prefix + "attention.head_count_kv"));
  if (n_kv_heads > 0) facts.heads_per_kv = n_heads / n_kv_heads;
  facts.tied = file.find_tensor("output.weight") == nullptr;
  facts.is_llama_70b = file.architecture() == "llama" && facts.n_layers == 80 && facts.heads_per_kv == 8;
  return facts;
}

// 12 of "blk.12.ffn_down.weight"; 0 for other names.
uint64_t layer_of(std::string_view name) {
  uint64_t layer_idx = 0;
  if (name.starts_with("blk.")) std::from_chars(name.data() + 4, name.data() + name.size(), layer_idx);
  return layer_idx;
}

// Matrices that products read and that stand some rounding.
bool may_quantize(const gguf::Tensor& tensor) {
  constexpr std::string_view kKept[] = {"_norm.weight", "ffn_gate_inp", "position_embd.weight", "token_types.weight",
                                        "altup",        "laurel",       "per_layer_model_proj", "rope_",
                                        "attn_rel_b",   "ssm_conv1d"};
  if (tensor.dims[1] * tensor.dims[2] * tensor.dims[3] == 1 || !tensor.name.ends_with(".weight")) return false;
  if (std::any_of(std::begin(kKept), std::end(kKept),
                  [&](std::string_view part) { return contains(tensor.name, part); }))
    return false;
  switch (tensor.type) {
    case kI8:
    case kI16:
    case kI32:
    case kI64:
      return false;
    default:
      return true;  // the enum is the file format's
  }
}

// The first and last eighth of the layers and every third between them.
bool is_sensitive(uint64_t layer_idx, uint64_t n_layers) {
  const uint64_t eighth = n_layers / 8;
  return layer_idx < eighth || layer_idx >= 7 * n_layers / 8 || (layer_idx - eighth) % 3 == 2;
}

TensorType value_type(const Mix& mix, const Facts& facts, uint64_t layer_idx) {
  if (facts.n_experts == 8) return kQ8_0;
  TensorType type = mix.type;
  switch (mix.id) {
    case MixId::kQ2_K:
      type = facts.heads_per_kv >= 4 ? kQ4_K : kQ3_K;
      break;
    case MixId::kQ3_K_M:
      type = layer_idx < 2 ? kQ5_K : kQ4_K;
      break;
    case MixId::kQ3_K_L:
      type = kQ5_K;
      break;
    case MixId::kIQ4_NL:
    case MixId::kIQ4_XS:
      if (facts.heads_per_kv >= 4) type = kQ5_K;
      break;
    case MixId::kQ4_K_S:
      if (layer_idx < 4) type = kQ5_K;
      break;
    case MixId::kQ4_K_M:
    case MixId::kQ5_K_M:
      if (is_sensitive(layer_idx, facts.n_layers)) type = kQ6_K;
      break;
    default:
      break;  // one type for all
  }
  return facts.is_llama_70b && (type == kQ3_K || type == kQ4_K) ? kQ5_K : type;
}

TensorType down_type(const Mix& mix, const Facts& facts, uint64_t layer_idx) {
  switch (mix.id) {
    case MixId::kQ2_K:
      return kQ3_K;
    case MixId::kQ3_K_M:
      return layer_idx < facts.n_layers / 16 ? kQ5_K : kQ4_K;
    case MixId::kQ3_K_L:
      return kQ5_K;
    case MixId::kIQ4_NL:
    case MixId::kIQ4_XS:
    case MixId::kQ4_K_S:
      return layer_idx < facts.n_layers / 8 ? kQ5_K : mix.type;
    case MixId::kQ4_K_M:
    case MixId::kQ5_K_M:
      return is_sensitive(layer_idx, facts.n_layers) ? kQ6_K : mix.type;
    default:
      return mix.type;  // one type for all
  }
}

TensorType attention_output_type(const Mix& mix, const Facts& facts) {
  if (facts.n_experts == 8) {
    constexpr MixId kRaised[] = {MixId::kQ2_K,   MixId::kQ3_K_S, MixId::kQ3_K_M, MixId::kQ4_K_S,
                                 MixId::kQ4_K_M, MixId::kIQ4_NL, MixId::kIQ4_XS};
    return std::find(std::begin(kRaised), std::end(kRaised), mix.id) != std::end(kRaised) ? kQ5_K : mix.type;
  }
  switch (mix.id) {
    case MixId::kQ2_K:
      return kQ3_K;
    case MixId::kQ3_K_M:
      return kQ4_K;
    case MixId::kQ3_K_L:
      return kQ5_K;
    default:
      return mix.type;  // one type for all
  }
}

TensorType fused_attention_type(const Mix& mix) {
  switch (mix.id) {
    case MixId::kQ3_K_M:
    case MixId::kQ3_K_L:
      return kQ4_K;
    case MixId::kQ4_K_M:
      return kQ5_K;
    case MixId::kQ5_K_M:
      return kQ6_K;
    default:
      return mix.type;  // one type for all
  }
}

bool is_float_mix(const Mix& mix) { return mix.id == MixId::kF32 || mix.id == MixId::kF16 || mix.id == MixId::kBF16; }

TensorType wanted_type(const Mix& mix, const Facts& facts, const gguf::Tensor& tensor) {
  const std::string_view name = tensor.name;
  if (is_float_mix(mix)) return mix.type;
  if (name == "output.weight" || (facts.tied && name == "token_embd.weight")) {
    return mix.id == MixId::kQ8_0 || mix.id == MixId::kMXFP4 ? kQ8_0 : kQ6_K;
  }
  if (mix.id == MixId::kMXFP4) {
    // Made for experts; the rest of such a model stays at 8 bits. A model without experts gets it everywhere.
    return facts.n_experts > 0 && tensor.dims[2] == 1 ? kQ8_0 : kMXFP4;
  }
  const uint64_t layer_idx = layer_of(name);
  if (contains(name, "attn_v.weight")) return value_type(mix, facts, layer_idx);
  if (contains(name, "attn_k.weight")) return facts.n_experts == 8 ? kQ8_0 : mix.type;
  if (contains(name, "attn_qkv.weight")) return fused_attention_type(mix);
  if (contains(name, "attn_output.weight")) return attention_output_type(mix, facts);
  if (contains(name, "ffn_down")) return down_type(mix, facts, layer_idx);
  return mix.type;
}

// Rows that are not whole blocks of 256 take a format of 32 with about as many bits, or float16.
TensorType fitting_type(TensorType type, uint64_t n_in) {
  const auto fits = [n_in](TensorType other) { return n_in % gguf::tensor_type_info(other).values_per_block == 0; };
  if (fits(type)) return type;
  switch (type) {
    case kQ2_K:
    case kQ3_K:
    case kIQ4_XS:
      type = kIQ4_NL;
      break;
    case kQ4_K:
      type = kQ5_0;
      break;
    case kQ5_K:
      type = kQ5_1;
      break;
    case kQ6_K:
      type = kQ8_0;
      break;
    default:
      break;  // a format of 32 already
  }
  return fits(type) ? type : kF16;
}

}  // namespace

Result<const Mix*> find_mix(std::string_view name) {
  const std::string wanted(name);
  const auto is = [&](std::string_view other) { return strcasecmp(wanted.c_str(), std::string(other).c_str()) == 0; };
  for (const Mix& mix : kMixes) {
    const bool medium = mix.name.ends_with("_K_M") && is(mix.name.substr(0, mix.name.size() - 2));
    if (is(mix.name) || medium || (mix.id == MixId::kMXFP4 && is("MXFP4_MOE"))) return &mix;
  }
  return {ErrorCode::kInvalidArgument, "unknown quantization type \"" + wanted + "\"; known: " + mix_names()};
}

std::string mix_names() {
  std::string names;
  for (const Mix& mix : kMixes) names += (names.empty() ? "" : ", ") + std::string(mix.name);
  return names;
}

Result<std::vector<TensorType>> choose_types(const gguf::File& file, const Mix& mix) {
  DA_ASSIGN_OR_RETURN(const Facts facts, read_facts(file));
  std::vector<TensorType> types;
  types.reserve(file.tensors().size());
  for (const gguf::Tensor& tensor : file.tensors()) {
    types.push_back(may_quantize(tensor) ? fitting_type(wanted_type(mix, facts, tensor), tensor.dims[0]) : tensor.type);
  }
  return types;
}

}  // namespace da::quant
