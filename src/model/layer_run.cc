// A layer, as the equations have it.
#include <cmath>

#include "model/architecture.h"
#include "model/layer.h"

namespace da::model {

using backend::NormSpec;

NormSpec norm_spec(const Hyperparameters& hyper, const NormWeights& norm) {
  return {
      .kind = hyper.architecture->norm, .weight = norm.weight.get(), .bias = norm.bias.get(), .eps = hyper.norm_eps};
}

namespace {

// What gets a sub-layer's result: added with the residual scale, or as it is where a norm follows.
struct Target {
  backend::Activation* out = nullptr;
  bool accumulate = false;
  float scale = 1.0F;
};

NormSpec head_norm(const Hyperparameters& hyper, const VectorPtr& weight, int32_t dim) {
  if (weight == nullptr) return {};
  // Norms of single heads have one weight for all, or all of them; a norm over all heads together is one piece.
  const HeadNorm kind = hyper.architecture->head_norm;
  return {.kind = kind == HeadNorm::kPerHead ? backend::NormKind::kLayer : backend::NormKind::kRms,
          .weight = weight.get(),
          .eps = hyper.norm_eps,
          .dim = kind == HeadNorm::kAllHeads ? 0 : dim};
}

backend::RopeSpec rope_spec(const LayerContext& c, const LayerParameters& shape) {
  backend::RopeSpec spec{.temperature = c.hyper.query_temperature,
                         .temperature_tokens = c.hyper.query_temperature_tokens};
  if (shape.rope_idx < 0) return spec;
  const Rope& rope = c.ropes[static_cast<size_t>(shape.rope_idx)];
  spec.kind = c.hyper.architecture->rope_kind;
  spec.n_dims = rope.n_dims;
  spec.frequencies = rope.frequencies.get();
  spec.magnitude = rope.magnitude;
  return spec;
}

// x += norm(branch), or x = norm(x) where the sum was made before.
void norm_after(const LayerContext& c, const NormWeights& norm, const LayerBuffers& b) {
  if (norm.weight == nullptr) return;
  NormSpec spec = norm_spec(c.hyper, norm);
  if (c.hyper.architecture->block_norms == BlockNorms::kAfterSum) {
    c.backend.norm(*b.x, spec, *b.x);
    return;
  }
  spec.accumulate = true;
  c.backend.norm(*b.branch, spec, *b.x);
}

// The token's own embedding of this layer, let in by a gate that the stream sets.
void add_per_layer_input(const LayerContext& c, const Layer& l) {
  const LayerBuffers& b = l.buffers;
  c.backend.linear(*b.x, {{{l.per_layer_gate.get(), b.layer_gate}}});
  c.backend.gate(
      {.kind = c.hyper.architecture->activation, .up_column = int64_t{l.layer_idx} * c.hyper.per_layer_width},
      *b.layer_gate, c.per_layer, *b.layer_ff);
  c.backend.linear(*b.layer_ff, {{{l.per_layer_proj.get(), b.branch}}});
  norm_after(c, l.per_layer_norm, b);
}

// Keys and values are stored; `attended` is what the heads take from them.
void run_attention(const LayerContext& c, const Layer& l) {
  const AttentionWeights& w = l.attention;
  const LayerBuffers& b = l.buffers;
  const LayerParameters& s = l.shape;
  if (w.wk != nullptr) {
    const backend::Weight* wv = w.wv != nullptr ? w.wv.get() : w.wk.get();
    c.backend.linear(*b.h, {{{w.wq.get(), b.q, w.bq.get()}, {w.wk.get(), b.k, w.bk.get()}, {wv, b.v, w.bv.get()}}});
  } else {
    c.backend.linear(*b.h, {{{w.wq.get(), b.q, w.bq.get()}}});
  }
  backend::RopeSpec rope = rope_spec(c, s);
  rope.query_norm = head_norm(c.hyper, w.q_norm, s.key_dim);
  rope.key_norm = head_norm(c.hyper, w.k_norm, s.key_dim);
  if (c.hyper.architecture->norms_values)
    rope.value_norm = {.kind = backend::NormKind::kRms, .eps = c.hyper.norm_eps, .dim = s.value_dim};
  const bool has_own_kv = w.wk != nullptr;
  c.backend.rope_store(rope, l.kv_layer_idx, *b.q, has_own_kv ? b.k : nullptr, has_own_kv ? b.v : nullptr, c.kv);
  const float scale =
      c.hyper.attention_scale != 0 ? c.hyper.attention_scale : 1.0F / std::sqrt(static_cast<float>(s.key_dim));
  c.backend.attention({.n_heads = s.n_heads,
                       .scale = scale,
                       .softcap = c.hyper.attention_softcap,
                       .window = s.window,
                       .sinks = w.sinks.get(),
                       .causal = c.hyper.causal},
                      l.kv_layer_idx, *b.q, c.kv, *b.attended);
}

void run_latent_attention(const LayerContext& c, const Layer& l) {
  const LatentWeights& w = l.latent;
  const LayerBuffers& b = l.buffers;
  if (w.wq_a != nullptr) {
    c.backend.linear(*b.h, {{{w.wq_a.get(), b.query_latent}, {w.wkv_a.get(), b.latent}}});
    c.backend.norm(*b.query_latent,
                   {.kind = backend::NormKind::kRms, .weight = w.q_norm.get(), .eps = c.hyper.norm_eps},
                   *b.query_latent);
    c.backend.linear(*b.query_latent, {{{w.wq_b.get(), b.q}}});
  } else {
    c.backend.linear(*b.h, {{{w.wq.get(), b.q}, {w.wkv_a.get(), b.latent}}});
  }
  // Instead of expanding every key, the query is taken to the latent's side; values are expanded once summed.
  c.backend.head_linear(*b.q, *w.wk_b, *b.absorbed);
  const backend::LatentSpec spec{
      .n_heads = l.shape.n_heads,
      .latent_dim = c.hyper.latent.kv_rank,
      .plain_dim = c.hyper.latent.plain_dim,
      .latent_norm = {.kind = backend::NormKind::kRms, .weight = w.kv_norm.get(), .eps = c.hyper.norm_eps},
      .rope = rope_spec(c, l.shape)};
  c.backend.latent_store(spec, l.kv_layer_idx, *b.q, *b.latent, c.kv, *b.absorbed);
  c.backend.attention({.n_heads = l.shape.n_heads, .scale = c.hyper.attention_scale}, l.kv_layer_idx, *b.absorbed, c.kv,
                      *b.attended_latent);
  c.backend.head_linear(*b.attended_latent, *w.wv_b, *b.attended);
}

void run_dense(const LayerContext& c, const FeedForwardWeights& w, const LayerBuffers& b, const Target& target) {
  const backend::GateSpec act{.kind = c.hyper.architecture->activation};
  if (w.gate != nullptr) {
    c.backend.linear(*b.h, {{{w.gate.get(), b.gate, w.b_gate.get()}, {w.up.get(), b.up, w.b_up.get()}}});
    c.backend.gate(act, *b.gate, b.up, *b.ff);
  } else {
    c.backend.linear(*b.h, {{{w.up.get(), b.up, w.b_up.get()}}});
    c.backend.gate(act, *b.up, nullptr, *b.ff);
  }
  if (c.stopped()) return;
  c.backend.linear(*b.ff, {{{w.down.get(), target.out, w.b_down.get(), target.accumulate, target.scale}}});
}

// Chooses the experts by h.
void choose_experts(const LayerContext& c, const Layer& l, const LayerBuffers& b) {
  const ExpertWeights& w = l.experts;
  backend::RouteSpec route = c.hyper.experts.route;
  route.selection_bias = w.selection_bias.get();
  route.expert_scale = w.scale.get();
  c.backend.linear(*b.h, {{{w.router.get(), b.route_logits, w.b_router.get()}}});
  c.backend.route(route, *b.route_logits, *c.routing);
}

// Those that were chosen, on h.
void run_chosen(const LayerContext& c, const Layer& l, const LayerBuffers& b, const Target& target) {
  using backend::ExpertInput;
  const ExpertWeights& w = l.experts;
  const backend::GateSpec act{.kind = c.hyper.architecture->activation};
  if (w.gate != nullptr) {
    c.backend.expert_linear(*b.h, ExpertInput::kBatchRows, *c.routing,
                            {{{w.gate.get(), b.expert_gate, w.b_gate.get()}, {w.up.get(), b.expert_up, w.b_up.get()}}});
    c.backend.gate(act, *b.expert_gate, b.expert_up, *b.expert_ff);
  } else {
    c.backend.expert_linear(*b.h, ExpertInput::kBatchRows, *c.routing, {{{w.up.get(), b.expert_up, w.b_up.get()}}});
    c.backend.gate(act, *b.expert_up, nullptr, *b.expert_ff);
  }
  if (c.stopped()) return;
  c.backend.expert_linear(*b.expert_ff, ExpertInput::kExpertRows, *c.routing,
                          {{{w.down.get(), b.expert_out, w.b_down.get()}}});
  c.backend.expert_combine(*b.expert_out, *c.routing, target.scale, target.accumulate, *target.out);
}

// Router, experts and the dense feed-forward read the stream through norms of their own; the two results are normed,
// added, and normed as one.
void run_experts_and_dense(const LayerContext& c, const Layer& l, const LayerBuffers& b) {
  const ExpertWeights& w = l.experts;
  const Target branch{b.branch, false, 1.0F};
  c.backend.norm(*b.x, norm_spec(c.hyper, w.router_norm), *b.h);
  choose_experts(c, l, b);
  c.backend.norm(*b.x, norm_spec(c.hyper, w.norm), *b.h);
  run_chosen(c, l, b, branch);
  c.backend.norm(*b.branch, norm_spec(c.hyper, w.after_experts), *b.both);
  c.backend.norm(*b.x, norm_spec(c.hyper, l.ffn_norm), *b.h);
  run_dense(c, l.ffn, b, branch);
  backend::NormSpec after = norm_spec(c.hyper, w.after_dense);
  after.accumulate = true;
  c.backend.norm(*b.branch, after, *b.both);
  after = norm_spec(c.hyper, l.after_ffn);
  after.accumulate = true;
  c.backend.norm(*b.both, after, *b.x);
}

void run_experts(const LayerContext& c, const Layer& l, const LayerBuffers& b, const Target& target) {
  const ExpertWeights& w = l.experts;
  choose_experts(c, l, b);
  run_chosen(c, l, b, target);
  if (w.shared.up == nullptr) return;
  if (w.shared_router == nullptr) {
    run_dense(c, w.shared, b, {target.out, true, target.scale});
    return;
  }
  c.backend.linear(*b.h, {{{w.shared_router.get(), b.shared_gate}}});
  run_dense(c, w.shared, b, {b.branch, false, target.scale});
  c.backend.add_gated(*b.branch, *b.shared_gate, *target.out);
}

}  // namespace

void run_layer(const LayerContext& c, const Layer& l) {
  const Architecture& a = *c.hyper.architecture;
  if (l.attn_norm.weight != nullptr) c.backend.norm(*l.buffers.x, norm_spec(c.hyper, l.attn_norm), *l.buffers.h);
  c.hyper.latent.kv_rank > 0 ? run_latent_attention(c, l) : run_attention(c, l);
  const LayerBuffers& b = c.outputs_only ? l.output_buffers : l.buffers;
  if (c.outputs_only) {
    c.backend.select_outputs(*l.buffers.x, *b.x);
    c.backend.select_outputs(*l.buffers.attended, *b.attended);
    if (b.x->n_rows == 0) return;
  }
  const bool to_branch = a.block_norms == BlockNorms::kBeforeAndAfter || a.block_norms == BlockNorms::kAfter;
  const Target target = to_branch ? Target{b.branch, false, 1.0F} : Target{b.x, true, c.hyper.residual_scale};
  c.backend.linear(*b.attended,
                   {{{l.attention.wo.get(), target.out, l.attention.bo.get(), target.accumulate, target.scale}}});
  norm_after(c, l.after_attention, b);
  if (c.stopped()) return;
  if (l.shape.has_experts && a.has_experts_and_dense) {
    run_experts_and_dense(c, l, b);
  } else {
    if (l.ffn_norm.weight != nullptr) c.backend.norm(*b.x, norm_spec(c.hyper, l.ffn_norm), *b.h);
    l.shape.has_experts ? run_experts(c, l, b, target) : run_dense(c, l.ffn, b, target);
    norm_after(c, l.after_ffn, b);
  }
  if (l.per_layer_gate != nullptr) add_per_layer_input(c, l);
  if (l.output_scale != 1.0F) c.backend.scale(l.output_scale, *b.x);
}

}  // namespace da::model
