#include "model/hyperparameters.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "model/architecture.h"
#include "model/key_reader.h"
#include "model/rope_reader.h"

namespace da::model {
namespace {

// Head counts and dims of every layer, and its feed-forward width.
Status read_layers(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(const auto n_heads, keys.counts("attention.head_count", hyper.n_layers, 1, kMaxHeads));
  auto n_kv_heads = n_heads;
  if (keys.has("attention.head_count_kv")) {
    DA_ASSIGN_OR_RETURN(n_kv_heads, keys.counts("attention.head_count_kv", hyper.n_layers, 1, kMaxHeads));
  }
  // A model of experts alone may leave out the dense width.
  std::vector<int32_t> n_ff(n_heads.size(), 0);
  if (hyper.experts.n == 0 || keys.has("feed_forward_length")) {
    DA_ASSIGN_OR_RETURN(n_ff,
                        keys.counts("feed_forward_length", hyper.n_layers, hyper.experts.n == 0 ? 1 : 0, kMaxWidth));
  }
  const int32_t share = hyper.n_embd / n_heads[0];
  if (!keys.has("attention.key_length") && hyper.n_embd % n_heads[0] != 0) {
    return keys.bad_value("attention.head_count", std::to_string(n_heads[0]),
                          "a divisor of the embedding length " + std::to_string(hyper.n_embd));
  }
  DA_ASSIGN_OR_RETURN(const int32_t key_dim, keys.count_or("attention.key_length", share, 1, kMaxHeadDim));
  DA_ASSIGN_OR_RETURN(const int32_t value_dim, keys.count_or("attention.value_length", share, 1, kMaxHeadDim));
  if (key_dim > kMaxHeadDim || value_dim > kMaxHeadDim) {
    return keys.bad_value("attention.head_count", std::to_string(n_heads[0]),
                          "heads of at most " + std::to_string(kMaxHeadDim));
  }
  for (int32_t i = 0; i < hyper.n_layers; ++i) {
    const auto at = static_cast<size_t>(i);
    if (n_heads[at] % n_kv_heads[at] != 0) {
      return keys.bad_value("attention.head_count_kv", std::to_string(n_kv_heads[at]),
                            "a divisor of the " + std::to_string(n_heads[at]) + " query heads");
    }
    hyper.layers.push_back({.n_heads = n_heads[at],
                            .n_kv_heads = n_kv_heads[at],
                            .key_dim = key_dim,
                            .value_dim = value_dim,
                            .n_ff = n_ff[at],
                            .rope_idx = hyper.architecture->rope_kind == backend::RopeKind::kNone ? -1 : 0,
                            .kv_layer_idx = i,
                            .has_experts = hyper.experts.n > 0});
  }
  return Status::ok();
}

Status read_groups(KeyReader& keys, ExpertParameters& experts) {
  backend::RouteSpec& route = experts.route;
  DA_ASSIGN_OR_RETURN(const int32_t n_groups, keys.count_or("expert_group_count", 1, 0, experts.n));
  DA_ASSIGN_OR_RETURN(const int32_t n_used, keys.count_or("expert_group_used_count", n_groups, 0, experts.n));
  route.n_groups = std::max(n_groups, 1);
  route.n_groups_used = std::max(n_used, 1);
  // DeepSeek's version 2 (softmax) takes a group for its best expert, version 3 (sigmoid) for its best two.
  route.group_best = route.kind == backend::RouteKind::kSigmoid ? 2 : 1;
  if (experts.n % route.n_groups == 0 && route.n_groups_used <= route.n_groups &&
      experts.n_used <= experts.n / route.n_groups * route.n_groups_used) {
    return Status::ok();
  }
  return keys.bad_value("expert_group_count", std::to_string(route.n_groups),
                        "groups of equal size with room for " + std::to_string(experts.n_used) + " of the " +
                            std::to_string(experts.n) + " experts in " + std::to_string(route.n_groups_used));
}

Status read_experts(KeyReader& keys, Hyperparameters& hyper) {
  const Architecture& architecture = *hyper.architecture;
  ExpertParameters& experts = hyper.experts;
  DA_ASSIGN_OR_RETURN(experts.n, keys.count_or("expert_count", 0, 0, kMaxExperts));
  if (experts.n == 0) return Status::ok();
  if (!architecture.has_experts) {
    return {ErrorCode::kUnsupported, "key \"" + keys.key("expert_count") +
                                         "\": mixtures of experts are not supported for " +
                                         std::string(architecture.name)};
  }
  DA_ASSIGN_OR_RETURN(experts.n_used, keys.count("expert_used_count", 1, experts.n));
  backend::RouteSpec& route = experts.route;
  route.kind = architecture.route_kind;
  DA_ASSIGN_OR_RETURN(const int32_t gating, keys.count_or("expert_gating_func", 0, 0, 3));
  if (gating == 1) route.kind = backend::RouteKind::kSoftmax;
  if (gating == 2) route.kind = backend::RouteKind::kSigmoid;
  if (gating == 3) route.kind = backend::RouteKind::kSoftmaxOfChosen;
  DA_ASSIGN_OR_RETURN(route.normalize, keys.flag_or("expert_weights_norm", architecture.normalizes_experts));
  DA_ASSIGN_OR_RETURN(const float scale, keys.real_or("expert_weights_scale", 1.0F, 0.0, 1e6));
  if (scale != 0) route.scale = scale;
  return read_groups(keys, experts);
}

// The width of an expert: its own key, or that of the dense layers.
Status read_expert_width(KeyReader& keys, Hyperparameters& hyper) {
  if (hyper.experts.n == 0) return Status::ok();
  if (!keys.has("expert_feed_forward_length") && hyper.layers.back().n_ff > 0) {
    hyper.experts.n_ff = hyper.layers.back().n_ff;
    return Status::ok();
  }
  DA_ASSIGN_OR_RETURN(hyper.experts.n_ff, keys.count("expert_feed_forward_length", 1, kMaxWidth));
  return Status::ok();
}

Status read_pooling(KeyReader& keys, Hyperparameters& hyper) {
  if (!keys.has("pooling_type")) return Status::ok();
  DA_ASSIGN_OR_RETURN(const int32_t type, keys.count("pooling_type", 0, 4));
  constexpr Pooling kTypes[] = {Pooling::kNone, Pooling::kMean, Pooling::kCls, Pooling::kLast};
  if (type == 4) {
    return {ErrorCode::kUnsupported, "key \"" + keys.key("pooling_type") + "\": rankers (4) are not supported"};
  }
  hyper.pooling = kTypes[type];
  return Status::ok();
}

// The vocabulary in the metadata and the embedding rows must agree: ids index both.
Status read_vocabulary(const gguf::File& file, Hyperparameters& hyper) {
  const gguf::Tensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr) return {ErrorCode::kCorruptData, "tensor token_embd.weight is missing"};
  const uint64_t rows = embedding->dims[1];
  if (rows < 1 || rows > static_cast<uint64_t>(kMaxVocab)) {
    return {ErrorCode::kCorruptData,
            "tensor token_embd.weight: " + std::to_string(rows) + " rows, expected 1 to " + std::to_string(kMaxVocab)};
  }
  hyper.n_vocab = static_cast<int32_t>(rows);
  if (hyper.architecture->has_token_types) {
    const gguf::Tensor* types = file.find_tensor("token_types.weight");
    DA_ASSIGN_OR_RETURN(const uint64_t n_types,
                        file.get_uint_or("tokenizer.ggml.token_type_count", types == nullptr ? 0 : types->dims[1]));
    hyper.n_token_types = static_cast<int32_t>(std::min<uint64_t>(n_types, kMaxVocab));
  }
  if (file.find("tokenizer.ggml.tokens") == nullptr) return Status::ok();
  DA_ASSIGN_OR_RETURN(const gguf::Array* tokens, file.get_array("tokenizer.ggml.tokens"));
  if (tokens->size() != rows) {
    return {ErrorCode::kCorruptData, "tensor token_embd.weight: " + std::to_string(rows) + " rows, expected " +
                                         std::to_string(tokens->size()) + ", the number of tokenizer.ggml.tokens"};
  }
  return Status::ok();
}

// Windows that span the whole context change nothing; models without window layers may carry such a key.
Status pass_over_wide_window(KeyReader& keys, const Hyperparameters& hyper) {
  const auto window = keys.file().get_uint_or(keys.key("attention.sliding_window"), 0);
  if (window.is_ok() && *window >= static_cast<uint64_t>(hyper.context_tokens)) keys.ignore("attention.sliding_window");
  return Status::ok();
}

// Projectors, adapters and importance matrices share the format with models.
Status check_kind(const gguf::File& file) {
  if (file.architecture() == "clip") {
    return {ErrorCode::kUnsupported, "architecture \"clip\": an image projector, which serves a model and is none"};
  }
  if (file.find("general.type") == nullptr) return Status::ok();
  DA_ASSIGN_OR_RETURN(const std::string_view type, file.get_string("general.type"));
  if (type.empty() || type == "model") return Status::ok();
  return {ErrorCode::kUnsupported,
          "key \"general.type\": found \"" + std::string(type.substr(0, 64)) + "\", expected \"model\""};
}

}  // namespace

float yarn_growth(float factor, float weight) {
  return factor <= 1.0F ? 1.0F : 1.0F + 0.1F * weight * std::log(factor);
}

Result<Hyperparameters> read_hyperparameters(const gguf::File& file) {
  DA_RETURN_IF_ERROR(check_kind(file));
  Hyperparameters hyper;
  DA_ASSIGN_OR_RETURN(hyper.architecture, find_architecture(file.architecture()));
  KeyReader keys(file);
  DA_ASSIGN_OR_RETURN(hyper.n_layers, keys.count("block_count", 1, kMaxLayers));
  DA_ASSIGN_OR_RETURN(hyper.context_tokens, keys.count("context_length", 1, kMaxContext));
  DA_ASSIGN_OR_RETURN(hyper.n_embd, keys.count("embedding_length", 1, kMaxWidth));
  const bool is_rms = hyper.architecture->norm == backend::NormKind::kRms;
  DA_ASSIGN_OR_RETURN(
      hyper.norm_eps,
      keys.real(is_rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", 0.0, 1.0));
  DA_RETURN_IF_ERROR(read_experts(keys, hyper));
  DA_RETURN_IF_ERROR(read_layers(keys, hyper));
  DA_RETURN_IF_ERROR(read_expert_width(keys, hyper));
  if (hyper.architecture->rope_kind != backend::RopeKind::kNone) DA_RETURN_IF_ERROR(read_rope(keys, hyper));
  DA_RETURN_IF_ERROR(read_vocabulary(file, hyper));
  DA_RETURN_IF_ERROR(read_pooling(keys, hyper));
  DA_ASSIGN_OR_RETURN(hyper.causal, keys.flag_or("attention.causal", true));
  if (hyper.architecture->read != nullptr) DA_RETURN_IF_ERROR(hyper.architecture->read(keys, hyper));
  DA_RETURN_IF_ERROR(pass_over_wide_window(keys, hyper));
  DA_RETURN_IF_ERROR(keys.check_unread(hyper.warnings));
  return hyper;
}

}  // namespace da::model
