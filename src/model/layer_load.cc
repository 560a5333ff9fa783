// Weights of a layer, by their names, and the buffers they need.
#include <cmath>
#include <string>
#include <utility>

#include "model/architecture.h"
#include "model/layer.h"

namespace da::model {
namespace {

Status load_norm(WeightLoader& loader, const std::string& name, NormWeights& norm) {
  DA_ASSIGN_OR_RETURN(norm.weight, loader.vector(name + ".weight"));
  DA_ASSIGN_OR_RETURN(norm.bias, loader.vector(name + ".bias"));
  return Status::ok();
}

// A matrix and its bias; left null if the file has none.
Status load_linear(WeightLoader& loader, const std::string& name, WeightPtr& weight, VectorPtr& bias) {
  if (!loader.has(name + ".weight")) return Status::ok();
  DA_ASSIGN_OR_RETURN(weight, loader.matrix(name + ".weight"));
  DA_ASSIGN_OR_RETURN(bias, loader.vector(name + ".bias"));
  return Status::ok();
}

Status load_attention(const LayerParameters& shape, WeightLoader& loader, const std::string& p, AttentionWeights& w) {
  if (loader.has(p + "attn_qkv.weight")) {
    const int64_t n_query = int64_t{shape.n_heads} * shape.key_dim, n_key = int64_t{shape.n_kv_heads} * shape.key_dim;
    const int64_t n_value = int64_t{shape.n_kv_heads} * shape.value_dim;
    const std::string weight = p + "attn_qkv.weight", bias = p + "attn_qkv.bias";
    DA_ASSIGN_OR_RETURN(w.wq, loader.matrix_rows(weight, 0, n_query));
    DA_ASSIGN_OR_RETURN(w.wk, loader.matrix_rows(weight, n_query, n_key));
    DA_ASSIGN_OR_RETURN(w.wv, loader.matrix_rows(weight, n_query + n_key, n_value));
    DA_ASSIGN_OR_RETURN(w.bq, loader.vector_part(bias, 0, n_query));
    DA_ASSIGN_OR_RETURN(w.bk, loader.vector_part(bias, n_query, n_key));
    DA_ASSIGN_OR_RETURN(w.bv, loader.vector_part(bias, n_query + n_key, n_value));
  } else {
    DA_RETURN_IF_ERROR(load_linear(loader, p + "attn_q", w.wq, w.bq));
    DA_RETURN_IF_ERROR(load_linear(loader, p + "attn_k", w.wk, w.bk));
    DA_RETURN_IF_ERROR(load_linear(loader, p + "attn_v", w.wv, w.bv));
  }
  DA_ASSIGN_OR_RETURN(w.q_norm, loader.vector(p + "attn_q_norm.weight"));
  DA_ASSIGN_OR_RETURN(w.k_norm, loader.vector(p + "attn_k_norm.weight"));
  DA_ASSIGN_OR_RETURN(w.sinks, loader.vector(p + "attn_sinks.weight"));
  return Status::ok();
}

// Older files expand keys and values with one matrix [n_heads * (plain + value)][kv_rank]. Here the keys' part is
// multiplied from the other side.
Status split_kv_b(const Hyperparameters& hyper, const LayerParameters& shape, WeightLoader& loader,
                  const std::string& name, LatentWeights& w) {
  const auto plain = static_cast<size_t>(hyper.latent.plain_dim), rank = static_cast<size_t>(hyper.latent.kv_rank);
  const auto n_value = static_cast<size_t>(hyper.latent.value_dim), n_heads = static_cast<size_t>(shape.n_heads);
  DA_ASSIGN_OR_RETURN(const std::vector<float> both, loader.values(name));
  std::vector<float> keys(n_heads * rank * plain), values(n_heads * n_value * rank);
  for (size_t head = 0; head < n_heads; ++head) {
    const float* from = both.data() + head * (plain + n_value) * rank;
    for (size_t i = 0; i < plain; ++i) {
      for (size_t j = 0; j < rank; ++j) keys[(head * rank + j) * plain + i] = from[i * rank + j];
    }
    std::copy_n(from + plain * rank, n_value * rank, values.data() + head * n_value * rank);
  }
  DA_ASSIGN_OR_RETURN(
      w.wk_b, loader.made_matrix(name + " (keys)", keys, hyper.latent.plain_dim, hyper.latent.kv_rank, shape.n_heads));
  DA_ASSIGN_OR_RETURN(w.wv_b, loader.made_matrix(name + " (values)", values, hyper.latent.kv_rank,
                                                 hyper.latent.value_dim, shape.n_heads));
  return Status::ok();
}

Status load_latent(const Hyperparameters& hyper, const LayerParameters& shape, WeightLoader& loader,
                   const std::string& p, LatentWeights& w) {
  if (hyper.latent.query_rank > 0) {
    DA_ASSIGN_OR_RETURN(w.wq_a, loader.matrix(p + "attn_q_a.weight"));
    DA_ASSIGN_OR_RETURN(w.q_norm, loader.vector(p + "attn_q_a_norm.weight"));
    DA_ASSIGN_OR_RETURN(w.wq_b, loader.matrix(p + "attn_q_b.weight"));
  } else {
    DA_ASSIGN_OR_RETURN(w.wq, loader.matrix(p + "attn_q.weight"));
  }
  DA_ASSIGN_OR_RETURN(w.wkv_a, loader.matrix(p + "attn_kv_a_mqa.weight"));
  DA_ASSIGN_OR_RETURN(w.kv_norm, loader.vector(p + "attn_kv_a_norm.weight"));
  if (loader.has(p + "attn_kv_b.weight")) return split_kv_b(hyper, shape, loader, p + "attn_kv_b.weight", w);
  DA_ASSIGN_OR_RETURN(w.wk_b, loader.matrix(p + "attn_k_b.weight"));
  DA_ASSIGN_OR_RETURN(w.wv_b, loader.matrix(p + "attn_v_b.weight"));
  return Status::ok();
}

Status load_feed_forward(const Hyperparameters& hyper, int32_t n_ff, WeightLoader& loader, const std::string& p,
                         FeedForwardWeights& w) {
  if (hyper.architecture->has_fused_gate) {
    DA_ASSIGN_OR_RETURN(w.gate, loader.matrix_rows(p + "ffn_up.weight", 0, n_ff));
    DA_ASSIGN_OR_RETURN(w.up, loader.matrix_rows(p + "ffn_up.weight", n_ff, n_ff));
  } else {
    DA_RETURN_IF_ERROR(load_linear(loader, p + "ffn_gate", w.gate, w.b_gate));
    DA_RETURN_IF_ERROR(load_linear(loader, p + "ffn_up", w.up, w.b_up));
  }
  return load_linear(loader, p + "ffn_down", w.down, w.b_down);
}

// In whichever form the file has them (see the tensor table).
Status load_expert_matrices(const ExpertParameters& experts, WeightLoader& loader, const std::string& p,
                            ExpertWeights& w) {
  if (loader.has(p + "ffn_gate_up_exps.weight")) {
    DA_ASSIGN_OR_RETURN(w.gate, loader.matrix_rows(p + "ffn_gate_up_exps.weight", 0, experts.n_ff));
    DA_ASSIGN_OR_RETURN(w.up, loader.matrix_rows(p + "ffn_gate_up_exps.weight", experts.n_ff, experts.n_ff));
    return load_linear(loader, p + "ffn_down_exps", w.down, w.b_down);
  }
  if (loader.has(p + "ffn_gate.0.weight")) {
    const auto stack = [&](const char* name) {
      std::vector<std::string> names;
      for (int32_t expert = 0; expert < experts.n; ++expert)
        names.push_back(p + name + "." + std::to_string(expert) + ".weight");
      return loader.stacked(names);
    };
    DA_ASSIGN_OR_RETURN(w.gate, stack("ffn_gate"));
    DA_ASSIGN_OR_RETURN(w.up, stack("ffn_up"));
    DA_ASSIGN_OR_RETURN(w.down, stack("ffn_down"));
    return Status::ok();
  }
  DA_RETURN_IF_ERROR(load_linear(loader, p + "ffn_gate_exps", w.gate, w.b_gate));
  DA_RETURN_IF_ERROR(load_linear(loader, p + "ffn_up_exps", w.up, w.b_up));
  return load_linear(loader, p + "ffn_down_exps", w.down, w.b_down);
}

// What the experts have where they run beside a dense feed-forward.
Status load_expert_norms(const Hyperparameters& hyper, WeightLoader& loader, const std::string& p, ExpertWeights& w) {
  // The router reads the normed stream times a vector and by 1/sqrt(n_embd): one norm with both worked in.
  DA_ASSIGN_OR_RETURN(std::vector<float> scales, loader.values(p + "ffn_gate_inp.scale"));
  for (float& scale : scales) scale /= std::sqrt(static_cast<float>(hyper.n_embd));
  DA_ASSIGN_OR_RETURN(w.router_norm.weight, loader.made_vector(scales));
  DA_ASSIGN_OR_RETURN(w.scale, loader.vector(p + "ffn_down_exps.scale"));
  DA_RETURN_IF_ERROR(load_norm(loader, p + "pre_ffw_norm_2", w.norm));
  DA_RETURN_IF_ERROR(load_norm(loader, p + "post_ffw_norm_2", w.after_experts));
  return load_norm(loader, p + "post_ffw_norm_1", w.after_dense);
}

Status load_experts(const Hyperparameters& hyper, WeightLoader& loader, const std::string& p, ExpertWeights& w) {
  DA_RETURN_IF_ERROR(load_linear(loader, p + "ffn_gate_inp", w.router, w.b_router));
  DA_ASSIGN_OR_RETURN(w.selection_bias, loader.vector(p + "exp_probs_b.bias"));
  DA_RETURN_IF_ERROR(load_expert_matrices(hyper.experts, loader, p, w));
  if (hyper.architecture->has_experts_and_dense) DA_RETURN_IF_ERROR(load_expert_norms(hyper, loader, p, w));
  DA_RETURN_IF_ERROR(load_linear(loader, p + "ffn_gate_shexp", w.shared.gate, w.shared.b_gate));
  DA_RETURN_IF_ERROR(load_linear(loader, p + "ffn_up_shexp", w.shared.up, w.shared.b_up));
  DA_RETURN_IF_ERROR(load_linear(loader, p + "ffn_down_shexp", w.shared.down, w.shared.b_down));
  if (!loader.has(p + "ffn_gate_inp_shexp.weight")) return Status::ok();
  DA_ASSIGN_OR_RETURN(w.shared_router, loader.matrix(p + "ffn_gate_inp_shexp.weight"));
  return Status::ok();
}

}  // namespace

Status load_layer(const Hyperparameters& hyper, WeightLoader& loader, Layer& l) {
  const Architecture& a = *hyper.architecture;
  const std::string p = "blk." + std::to_string(l.layer_idx) + ".";
  const bool before = a.block_norms == BlockNorms::kBefore || a.block_norms == BlockNorms::kBeforeAndAfter;
  if (before) DA_RETURN_IF_ERROR(load_norm(loader, p + "attn_norm", l.attn_norm));
  if (before && !a.is_parallel) DA_RETURN_IF_ERROR(load_norm(loader, p + std::string(a.ffn_norm), l.ffn_norm));
  if (a.block_norms != BlockNorms::kBefore) {
    DA_RETURN_IF_ERROR(load_norm(loader, p + std::string(a.after_attention), l.after_attention));
    DA_RETURN_IF_ERROR(load_norm(loader, p + std::string(a.after_ffn), l.after_ffn));
  }
  if (hyper.latent.kv_rank > 0) {
    DA_RETURN_IF_ERROR(load_latent(hyper, l.shape, loader, p, l.latent));
  } else {
    DA_RETURN_IF_ERROR(load_attention(l.shape, loader, p, l.attention));
  }
  DA_RETURN_IF_ERROR(load_linear(loader, p + "attn_output", l.attention.wo, l.attention.bo));
  if (l.shape.has_experts) DA_RETURN_IF_ERROR(load_experts(hyper, loader, p, l.experts));
  if (!l.shape.has_experts || a.has_experts_and_dense)
    DA_RETURN_IF_ERROR(load_feed_forward(hyper, l.shape.n_ff, loader, p, l.ffn));
  if (hyper.per_layer_width > 0) {
    DA_ASSIGN_OR_RETURN(l.per_layer_gate, loader.matrix(p + "inp_gate.weight"));
    DA_ASSIGN_OR_RETURN(l.per_layer_proj, loader.matrix(p + "proj.weight"));
    DA_RETURN_IF_ERROR(load_norm(loader, p + "post_norm", l.per_layer_norm));
  }
  DA_ASSIGN_OR_RETURN(const std::vector<float> scale, loader.values(p + "layer_output_scale.weight"));
  if (!scale.empty()) l.output_scale = scale[0];
  return Status::ok();
}

void plan_buffers(const Hyperparameters& hyper, Layer& l, BufferPlan& plan) {
  LayerBuffers& b = l.buffers;
  const AttentionWeights& w = l.attention;
  const LatentWeights& latent = l.latent;
  const ExpertWeights& e = l.experts;
  const int32_t rows = plan.max_rows;
  const LayerParameters& s = l.shape;
  // Without a norm before them, sub-layers read the residual stream itself.
  const bool normed = l.attn_norm.weight != nullptr;
  plan.add(b.x, BufferUse::kResidual, hyper.n_embd, rows, {l.per_layer_gate.get()});
  plan.add(b.h, normed ? BufferUse::kNormed : BufferUse::kResidual, hyper.n_embd, rows,
           {w.wq.get(), w.wk.get(), w.wv.get(), latent.wq_a.get(), latent.wq.get(), latent.wkv_a.get(),
            l.ffn.gate.get(), l.ffn.up.get(), e.router.get(), e.gate.get(), e.up.get(), e.shared.gate.get(),
            e.shared.up.get(), e.shared_router.get()});
  plan.add(b.branch, BufferUse::kBranch, hyper.n_embd, rows);
  const int64_t n_heads = s.n_heads, n_kv_heads = s.n_kv_heads;
  if (hyper.latent.kv_rank > 0) {
    const int64_t n_dims = hyper.ropes[0].n_dims, rank = hyper.latent.kv_rank;
    if (latent.wq_a != nullptr)
      plan.add(b.query_latent, BufferUse::kQueryLatent, hyper.latent.query_rank, rows, {latent.wq_b.get()});
    plan.add(b.q, BufferUse::kQuery, n_heads * (hyper.latent.plain_dim + n_dims), rows);
    plan.add(b.latent, BufferUse::kLatent, rank + n_dims, rows);
    plan.add(b.absorbed, BufferUse::kAbsorbed, n_heads * (rank + n_dims), rows);
    plan.add(b.attended_latent, BufferUse::kAttendedLatent, n_heads * rank, rows);
    plan.add(b.attended, BufferUse::kAttended, n_heads * hyper.latent.value_dim, rows, {w.wo.get()});
  } else {
    plan.add(b.q, BufferUse::kQuery, n_heads * s.key_dim, rows);
    plan.add(b.k, BufferUse::kKey, n_kv_heads * s.key_dim, rows);
    plan.add(b.v, BufferUse::kValue, n_kv_heads * s.value_dim, rows);
    plan.add(b.attended, BufferUse::kAttended, n_heads * s.value_dim, rows, {w.wo.get()});
  }
  const bool is_shared = l.ffn.up == nullptr;
  const FeedForwardWeights& dense = is_shared ? e.shared : l.ffn;
  const int64_t n_dense = is_shared ? hyper.experts.n_shared_ff : s.n_ff;
  if (dense.up != nullptr) {
    plan.add(b.gate, BufferUse::kGate, n_dense, rows);
    plan.add(b.up, BufferUse::kUp, n_dense, rows);
    plan.add(b.ff, BufferUse::kFeedForward, n_dense, rows, {dense.down.get()});
  }
  if (s.has_experts) {
    const int32_t expert_rows = rows * hyper.experts.n_used;
    plan.add(b.route_logits, BufferUse::kRouteLogits, hyper.experts.n, rows);
    plan.add(b.expert_gate, BufferUse::kExpertGate, hyper.experts.n_ff, expert_rows);
    plan.add(b.expert_up, BufferUse::kExpertUp, hyper.experts.n_ff, expert_rows);
    plan.add(b.expert_ff, BufferUse::kExpertFeedForward, hyper.experts.n_ff, expert_rows, {e.down.get()});
    plan.add(b.expert_out, BufferUse::kExpertOut, hyper.n_embd, expert_rows);
    if (e.shared_router != nullptr) plan.add(b.shared_gate, BufferUse::kSharedGate, 1, rows);
    if (hyper.architecture->has_experts_and_dense) plan.add(b.both, BufferUse::kDenseAndExperts, hyper.n_embd, rows);
  }
  if (l.per_layer_gate != nullptr) {
    plan.add(b.layer_gate, BufferUse::kLayerGate, hyper.per_layer_width, rows);
    plan.add(b.layer_ff, BufferUse::kLayerFeedForward, hyper.per_layer_width, rows, {l.per_layer_proj.get()});
  }
}

}  // namespace da::model
