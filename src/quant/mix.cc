#include "quant/mix.h"

#include <strings.h>
#include <algorithm>
#include <charconv>
#include <initializer_list>

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
    {MixId::kQ2_K_S, "Q2_K_S", 21, kQ2_K},   {MixId::kIQ1_S, "IQ1_S", 24, kIQ1_S},
    {MixId::kIQ1_M, "IQ1_M", 31, kIQ1_M},    {MixId::kIQ2_XXS, "IQ2_XXS", 19, kIQ2_XXS},
    {MixId::kIQ2_XS, "IQ2_XS", 20, kIQ2_XS}, {MixId::kIQ2_S, "IQ2_S", 28, kIQ2_XS},
    {MixId::kIQ2_M, "IQ2_M", 29, kIQ2_S},    {MixId::kIQ3_XXS, "IQ3_XXS", 23, kIQ3_XXS},
    {MixId::kIQ3_XS, "IQ3_XS", 22, kIQ3_S},  {MixId::kIQ3_S, "IQ3_S", 26, kIQ3_S},
    {MixId::kIQ3_M, "IQ3_M", 27, kIQ3_S},    {MixId::kTQ1_0, "TQ1_0", 36, kTQ1_0},
    {MixId::kTQ2_0, "TQ2_0", 37, kTQ2_0},    {MixId::kNVFP4, "NVFP4", 39, kNVFP4},
    {MixId::kQ1_0, "Q1_0", 40, kQ1_0},       {MixId::kQ2_0, "Q2_0", 41, kQ2_0},
};

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// What the rules ask about a model.
struct Facts {
  uint64_t n_layers = 0, n_experts = 0;
  uint64_t heads_per_kv = 1;
  bool tied = false;          // token_embd is the output matrix too
  bool is_llama_70b = false;  // its few value heads serve many queries
  bool has_importance = false;
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

bool is_one_of(MixId id, std::initializer_list<MixId> ids) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// The file types of one and two bits follow rules of their own.
bool is_low(const Mix& mix) {
  return is_one_of(mix.id,
                   {MixId::kIQ1_S, MixId::kIQ1_M, MixId::kIQ2_XXS, MixId::kIQ2_XS, MixId::kIQ2_S, MixId::kIQ2_M});
}

TensorType low_type(const Mix& mix, const Facts& facts, std::string_view name, uint64_t layer_idx) {
  const bool is_finer = is_one_of(mix.id, {MixId::kIQ2_S, MixId::kIQ2_M});
  const TensorType raised = is_finer ? kIQ3_S : kQ2_K;
  if (contains(name, "attn_v.weight") || contains(name, "attn_qkv.weight"))
    return facts.heads_per_kv >= 4 || facts.n_experts >= 4 ? kQ4_K : raised;
  if (contains(name, "attn_k.weight") && facts.n_experts == 8) return kQ4_K;
  if (contains(name, "ffn_down")) return layer_idx < facts.n_layers / 8 ? raised : mix.type;
  if (!contains(name, "attn_output.weight")) return mix.type;
  if (facts.n_experts == 8) return kQ5_K;
  if (is_one_of(mix.id, {MixId::kIQ1_S, MixId::kIQ1_M})) return kIQ2_XXS;
  return is_finer ? kIQ3_S : mix.type;
}

TensorType embedding_type(const Mix& mix) {
  switch (mix.id) {
    case MixId::kIQ1_S:
    case MixId::kIQ1_M:
    case MixId::kIQ2_XXS:
    case MixId::kIQ2_XS:
      return kQ2_K;
    case MixId::kIQ2_S:
    case MixId::kIQ2_M:
    case MixId::kIQ3_XXS:
      return kIQ3_S;
    case MixId::kTQ1_0:
    case MixId::kTQ2_0:
    case MixId::kQ2_0:
      return kQ4_K;
    default:
      return mix.type;  // one type for all
  }
}

TensorType head_type(const Mix& mix, uint64_t n_in) {
  if (mix.id == MixId::kQ8_0 || mix.id == MixId::kMXFP4) return kQ8_0;
  if (n_in % gguf::tensor_type_info(mix.type).values_per_block != 0) return kQ8_0;
  return is_low(mix) || mix.id == MixId::kIQ3_XXS ? kQ5_K : kQ6_K;
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
    case MixId::kQ2_K_S:
    case MixId::kIQ3_XS:
    case MixId::kIQ3_S:
      if (facts.heads_per_kv >= 4) type = kQ4_K;
      break;
    case MixId::kIQ3_XXS:
      type = facts.heads_per_kv >= 4 ? kQ4_K : facts.has_importance ? kIQ3_XXS : kIQ3_S;
      break;
    case MixId::kIQ3_M:
      type = kQ4_K;
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
  const bool is_first_eighth = layer_idx < facts.n_layers / 8;
  switch (mix.id) {
    case MixId::kQ2_K:
      return kQ3_K;
    case MixId::kQ3_K_M:
      return layer_idx < facts.n_layers / 16 ? kQ5_K : kQ4_K;
    case MixId::kQ3_K_L:
      return kQ5_K;
    case MixId::kQ2_K_S:
      return is_first_eighth ? kQ4_K : mix.type;
    case MixId::kIQ3_XXS:
      return facts.has_importance ? mix.type : is_first_eighth ? kQ4_K : kQ3_K;
    case MixId::kIQ3_M:
      return is_first_eighth || (facts.n_experts == 8 && is_sensitive(layer_idx, facts.n_layers)) ? kQ4_K : mix.type;
    case MixId::kIQ4_NL:
    case MixId::kIQ4_XS:
      return is_first_eighth && !facts.has_importance ? kQ5_K : mix.type;
    case MixId::kQ4_K_S:
      return is_first_eighth ? kQ5_K : mix.type;
    case MixId::kQ4_0:
      return is_first_eighth && facts.has_importance ? kQ4_1 : mix.type;
    case MixId::kQ5_0:
      return is_first_eighth && facts.has_importance ? kQ5_1 : mix.type;
    case MixId::kQ4_K_M:
    case MixId::kQ5_K_M:
      return is_sensitive(layer_idx, facts.n_layers) ? kQ6_K : mix.type;
    default:
      return mix.type;  // one type for all
  }
}

TensorType attention_output_type(const Mix& mix, const Facts& facts) {
  if (facts.n_experts == 8) {
    return is_one_of(mix.id,
                     {MixId::kQ2_K, MixId::kQ3_K_S, MixId::kQ3_K_M, MixId::kQ4_K_S, MixId::kQ4_K_M, MixId::kIQ4_NL,
                      MixId::kIQ4_XS, MixId::kIQ3_XXS, MixId::kIQ3_XS, MixId::kIQ3_S, MixId::kIQ3_M})
               ? kQ5_K
               : mix.type;
  }
  switch (mix.id) {
    case MixId::kQ2_K:
      return kQ3_K;
    case MixId::kIQ3_XXS:
      return kIQ3_S;
    case MixId::kQ3_K_M:
    case MixId::kIQ3_M:
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
    case MixId::kIQ3_M:
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
  if (name == "output.weight" || (facts.tied && name == "token_embd.weight")) return head_type(mix, tensor.dims[0]);
  if (mix.id == MixId::kMXFP4) {
    // Made for experts; the rest of such a model stays at 8 bits. A model without experts gets it everywhere.
    return facts.n_experts > 0 && tensor.dims[2] == 1 ? kQ8_0 : kMXFP4;
  }
  if (name == "token_embd.weight") return embedding_type(mix);
  const uint64_t layer_idx = layer_of(name);
  if (is_low(mix)) return low_type(mix, facts, name, layer_idx);
  if (contains(name, "attn_v.weight")) return value_type(mix, facts, layer_idx);
  const bool is_query = contains(name, "attn_q.weight"), is_key = contains(name, "attn_k.weight");
  if (is_key && facts.n_experts == 8) return kQ8_0;
  if ((is_key || is_query) && mix.id == MixId::kIQ3_XS) return kIQ3_XXS;
  if ((is_key || is_query) && mix.id == MixId::kIQ3_XXS) return kIQ2_S;
  if (is_key) return mix.type;
  if (contains(name, "attn_qkv.weight")) return fused_attention_type(mix);
  if (contains(name, "attn_output.weight")) return attention_output_type(mix, facts);
  if (contains(name, "ffn_down")) return down_type(mix, facts, layer_idx);
  const bool is_middle = layer_idx >= facts.n_layers / 8 && layer_idx < 7 * facts.n_layers / 8;
  if ((contains(name, "ffn_gate") || contains(name, "ffn_up")) && mix.id == MixId::kIQ3_XS && is_middle)
    return kIQ3_XXS;
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
    case kIQ1_S:
    case kIQ1_M:
    case kIQ2_XXS:
    case kIQ2_XS:
    case kIQ2_S:
    case kIQ3_XXS:
    case kIQ3_S:
    case kNVFP4:
      type = kIQ4_NL;
      break;
    case kTQ1_0:
    case kTQ2_0:
    case kQ1_0:
    case kQ2_0:
      type = kQ4_0;
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

bool needs_importance(const gguf::Tensor& tensor, const Mix& mix, TensorType type) {
  if (tensor.name == "token_embd.weight" || tensor.name == "output.weight") return false;
  switch (type) {
    case kIQ1_S:
    case kIQ1_M:
    case kIQ2_XXS:
    case kIQ2_XS:
    case kIQ2_S:
    case kIQ3_XXS:
      return true;
    case kQ2_K:
      return mix.id == MixId::kQ2_K_S;
    default:
      return false;  // the enum is the file format's
  }
}

Result<std::vector<TensorType>> choose_types(const gguf::File& file, const Mix& mix, bool has_importance) {
  DA_ASSIGN_OR_RETURN(Facts facts, read_facts(file));
  facts.has_importance = has_importance;
  std::vector<TensorType> types;
  types.reserve(file.tensors().size());
  for (const gguf::Tensor& tensor : file.tensors()) {
    types.push_back(may_quantize(tensor) ? fitting_type(wanted_type(mix, facts, tensor), tensor.dims[0]) : tensor.type);
  }
  return types;
}

}  // namespace da::quant
