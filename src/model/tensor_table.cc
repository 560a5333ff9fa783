#include "model/tensor_table.h"

namespace da::model {
namespace {

// Lists a model's tensors under one prefix ("blk.3.", or "").
class Lister {
 public:
  Lister(std::string prefix, const gguf::File& file, std::vector<TensorSpec>& specs)
      : prefix_(std::move(prefix)), file_(file), specs_(specs) {}

  bool in_file(std::string_view name) const { return file_.find_tensor(prefix_ + std::string(name)) != nullptr; }

  void matrix(std::string_view name, int64_t n_in, int64_t n_out, int64_t n_parts = 1, Has has = Has::kMust) {
    add(name, TensorRole::kMatrix, {n_in, n_out, n_parts}, has);
  }
  void vector(std::string_view name, int64_t size, Has has = Has::kMust) {
    add(name, TensorRole::kVector, {size, 1, 1}, has);
  }
  void vectors(std::string_view name, int64_t size, int64_t n, Has has) {
    add(name, TensorRole::kVector, {size, n, 1}, has);
  }
  // `name`.weight [n_out][n_in] and `name`.bias
  void linear(const std::string& name, int64_t n_in, int64_t n_out, Has bias) {
    matrix(name + ".weight", n_in, n_out);
    vector(name + ".bias", n_out, bias);
  }
  void norm(const std::string& name, int64_t size, Has bias) {
    vector(name + ".weight", size);
    vector(name + ".bias", size, bias);
  }

 private:
  void add(std::string_view name, TensorRole role, std::array<int64_t, 3> dims, Has has) {
    if (has != Has::kNo) specs_.push_back({prefix_ + std::string(name), role, dims, has == Has::kMust});
  }

  std::string prefix_;
  const gguf::File& file_;
  std::vector<TensorSpec>& specs_;
};

void list_head_norms(const Architecture& a, const LayerParameters& l, bool has_own_kv, Lister& list) {
  const int64_t n_query = int64_t{l.n_heads} * l.key_dim, n_key = int64_t{l.n_kv_heads} * l.key_dim;
  switch (a.head_norm) {
    case HeadNorm::kNone:
      return;
    case HeadNorm::kShared:
      list.vector("attn_q_norm.weight", l.key_dim);
      if (has_own_kv) list.vector("attn_k_norm.weight", l.key_dim);
      return;
    case HeadNorm::kPerHead:
      list.vectors("attn_q_norm.weight", l.key_dim, l.n_heads, Has::kMay);
      list.vectors("attn_k_norm.weight", l.key_dim, l.n_kv_heads, Has::kMay);
      return;
    case HeadNorm::kAllHeads:
      list.vector("attn_q_norm.weight", n_query);
      list.vector("attn_k_norm.weight", n_key);
      return;
  }
}

void list_attention(const Hyperparameters& h, int32_t layer_idx, Lister& list) {
  const Architecture& a = *h.architecture;
  const LayerParameters& l = h.layers[static_cast<size_t>(layer_idx)];
  const int64_t n_query = int64_t{l.n_heads} * l.key_dim, n_key = int64_t{l.n_kv_heads} * l.key_dim;
  const int64_t n_value = int64_t{l.n_kv_heads} * l.value_dim;
  const bool has_own_kv = l.kv_layer_idx == layer_idx;
  if (list.in_file("attn_qkv.weight")) {
    list.linear("attn_qkv", h.n_embd, n_query + n_key + n_value, a.qkv_bias);
  } else {
    list.linear("attn_q", h.n_embd, n_query, a.qkv_bias);
    if (has_own_kv) list.linear("attn_k", h.n_embd, n_key, a.qkv_bias);
    // With a norm of their own, values may be made of the keys' product.
    const bool may_share = a.norms_values && l.window == 0 && n_key == n_value;
    if (has_own_kv && may_share) list.matrix("attn_v.weight", h.n_embd, n_value, 1, Has::kMay);
    if (has_own_kv && !may_share) list.linear("attn_v", h.n_embd, n_value, a.qkv_bias);
  }
  list_head_norms(a, l, has_own_kv, list);
  if (a.has_sinks) list.vector("attn_sinks.weight", l.n_heads);
  list.linear("attn_output", int64_t{l.n_heads} * l.value_dim, h.n_embd, a.attn_output_bias);
}

void list_latent_attention(const Hyperparameters& h, const LayerParameters& l, Lister& list) {
  const LatentParameters& latent = h.latent;
  const int64_t n_dims = h.ropes[0].n_dims, n_query = int64_t{l.n_heads} * (latent.plain_dim + n_dims);
  if (latent.query_rank > 0) {
    list.matrix("attn_q_a.weight", h.n_embd, latent.query_rank);
    list.vector("attn_q_a_norm.weight", latent.query_rank);
    list.matrix("attn_q_b.weight", latent.query_rank, n_query);
  } else {
    list.matrix("attn_q.weight", h.n_embd, n_query);
  }
  list.matrix("attn_kv_a_mqa.weight", h.n_embd, latent.kv_rank + n_dims);
  list.vector("attn_kv_a_norm.weight", latent.kv_rank);
  if (list.in_file("attn_kv_b.weight")) {
    list.matrix("attn_kv_b.weight", latent.kv_rank, int64_t{l.n_heads} * (latent.plain_dim + latent.value_dim));
  } else {
    list.matrix("attn_k_b.weight", latent.plain_dim, latent.kv_rank, l.n_heads);
    list.matrix("attn_v_b.weight", latent.kv_rank, latent.value_dim, l.n_heads);
  }
  list.matrix("attn_output.weight", int64_t{l.n_heads} * latent.value_dim, h.n_embd);
}

void list_feed_forward(const Hyperparameters& h, const LayerParameters& l, Lister& list) {
  const Architecture& a = *h.architecture;
  if (a.has_fused_gate) {
    list.linear("ffn_up", h.n_embd, 2 * int64_t{l.n_ff}, Has::kNo);
  } else {
    if (a.is_gated) list.linear("ffn_gate", h.n_embd, l.n_ff, a.ffn_bias);
    list.linear("ffn_up", h.n_embd, l.n_ff, a.ffn_bias);
  }
  list.linear("ffn_down", l.n_ff, h.n_embd, a.ffn_bias);
}

// A tensor of all experts' matrices for each product, gate and up in one, or (in files of the first months) a tensor
// for each expert.
void list_expert_matrices(const Hyperparameters& h, Lister& list) {
  const Architecture& a = *h.architecture;
  const ExpertParameters& e = h.experts;
  if (a.expert_bias == Has::kNo && a.is_gated && list.in_file("ffn_gate_up_exps.weight")) {
    list.matrix("ffn_gate_up_exps.weight", h.n_embd, 2 * int64_t{e.n_ff}, e.n);
    list.matrix("ffn_down_exps.weight", e.n_ff, h.n_embd, e.n);
    return;
  }
  if (a.expert_bias == Has::kNo && a.is_gated && list.in_file("ffn_gate.0.weight")) {
    for (int32_t expert = 0; expert < e.n; ++expert) {
      const std::string number = std::to_string(expert);
      list.matrix("ffn_gate." + number + ".weight", h.n_embd, e.n_ff);
      list.matrix("ffn_up." + number + ".weight", h.n_embd, e.n_ff);
      list.matrix("ffn_down." + number + ".weight", e.n_ff, h.n_embd);
    }
    return;
  }
  if (a.is_gated) {
    list.matrix("ffn_gate_exps.weight", h.n_embd, e.n_ff, e.n);
    list.vectors("ffn_gate_exps.bias", e.n_ff, e.n, a.expert_bias);
  }
  list.matrix("ffn_up_exps.weight", h.n_embd, e.n_ff, e.n);
  list.vectors("ffn_up_exps.bias", e.n_ff, e.n, a.expert_bias);
  list.matrix("ffn_down_exps.weight", e.n_ff, h.n_embd, e.n);
  list.vectors("ffn_down_exps.bias", h.n_embd, e.n, a.expert_bias);
}

void list_experts(const Hyperparameters& h, Lister& list) {
  const Architecture& a = *h.architecture;
  const ExpertParameters& e = h.experts;
  list.matrix("ffn_gate_inp.weight", h.n_embd, e.n);
  list.vector("ffn_gate_inp.bias", e.n, a.expert_bias);
  // Files of the sigmoid kind choose with a bias, those of the softmax kind without.
  list.vector("exp_probs_b.bias", e.n, e.route.kind == backend::RouteKind::kSigmoid ? Has::kMust : Has::kNo);
  list_expert_matrices(h, list);
  if (a.has_experts_and_dense) {
    list.vector("ffn_gate_inp.scale", h.n_embd);
    list.vector("ffn_down_exps.scale", e.n, Has::kMay);
    for (const char* norm : {"pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"}) {
      list.norm(norm, h.n_embd, a.norm_bias);
    }
  }
  if (e.n_shared_ff == 0) return;
  if (e.shared_is_gated) list.matrix("ffn_gate_inp_shexp.weight", h.n_embd, 1);
  list.matrix("ffn_gate_shexp.weight", h.n_embd, e.n_shared_ff);
  list.matrix("ffn_up_shexp.weight", h.n_embd, e.n_shared_ff);
  list.matrix("ffn_down_shexp.weight", e.n_shared_ff, h.n_embd);
}

void list_layer(const Hyperparameters& h, int32_t layer_idx, Lister& list) {
  const Architecture& a = *h.architecture;
  const LayerParameters& l = h.layers[static_cast<size_t>(layer_idx)];
  const bool before = a.block_norms == BlockNorms::kBefore || a.block_norms == BlockNorms::kBeforeAndAfter;
  const bool after = a.block_norms != BlockNorms::kBefore;
  if (before) list.norm("attn_norm", h.n_embd, a.norm_bias);
  h.latent.kv_rank > 0 ? list_latent_attention(h, l, list) : list_attention(h, layer_idx, list);
  if (after) list.norm(std::string(a.after_attention), h.n_embd, a.norm_bias);
  if (before && !a.is_parallel) list.norm(std::string(a.ffn_norm), h.n_embd, a.norm_bias);
  if (l.has_experts) list_experts(h, list);
  if (!l.has_experts || a.has_experts_and_dense) list_feed_forward(h, l, list);
  if (after) list.norm(std::string(a.after_ffn), h.n_embd, a.norm_bias);
  if (h.per_layer_width > 0) {
    list.matrix("inp_gate.weight", h.n_embd, h.per_layer_width);
    list.matrix("proj.weight", h.per_layer_width, h.n_embd);
    list.vector("post_norm.weight", h.n_embd);
  }
  list.vector("layer_output_scale.weight", 1, a.layer_scale);
}

}  // namespace

std::vector<TensorSpec> model_tensors(const Hyperparameters& h, const gguf::File& file) {
  const Architecture& a = *h.architecture;
  std::vector<TensorSpec> specs;
  Lister list("", file, specs);
  list.matrix("token_embd.weight", h.n_embd, h.n_vocab);
  if (a.has_positions) list.matrix("position_embd.weight", h.n_embd, h.context_tokens);
  if (h.n_token_types > 0) list.matrix("token_types.weight", h.n_embd, h.n_token_types);
  if (a.has_embedding_norm) list.norm("token_embd_norm", h.n_embd, a.norm_bias);
  if (h.per_layer_width > 0) {
    const int64_t width = int64_t{h.per_layer_width} * h.n_layers;
    list.matrix("per_layer_token_embd.weight", width, h.n_vocab);
    list.matrix("per_layer_model_proj.weight", h.n_embd, width);
    list.vector("per_layer_proj_norm.weight", h.per_layer_width);
  }
  if (!h.ropes.empty()) {
    const int64_t n_factors = h.ropes[0].n_dims / 2;
    if (list.in_file("rope_factors_long.weight") || list.in_file("rope_factors_short.weight")) {
      list.vector("rope_factors_long.weight", n_factors);
      list.vector("rope_factors_short.weight", n_factors);
    } else {
      list.vector("rope_freqs.weight", n_factors, a.rope_factors);
    }
  }
  if (a.has_output_norm) list.norm("output_norm", h.n_embd, a.norm_bias);
  if (a.has_output_head) {
    // Absent: tied to token_embd. A head with a bias is a head of its own.
    list.matrix("output.weight", h.n_embd, h.n_vocab, 1, a.head_bias == Has::kMust ? Has::kMust : Has::kMay);
    list.vector("output.bias", h.n_vocab, a.head_bias);
  }
  for (int32_t layer_idx = 0; layer_idx < h.n_layers; ++layer_idx) {
    Lister layer("blk." + std::to_string(layer_idx) + ".", file, specs);
    list_layer(h, layer_idx, layer);
  }
  return specs;
}

}  // namespace da::model
