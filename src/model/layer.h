#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "model/buffer_plan.h"
#include "model/hyperparameters.h"
#include "model/weight_loader.h"

namespace da::model {

struct NormWeights {
  VectorPtr weight, bias;  // [n_embd]; both null: no norm there
};

// Query, key, value and output of ordinary attention. wk null: the layer reads another's keys and values. wv null with
// wk: values are made of the keys' product.
struct AttentionWeights {
  WeightPtr wq, wk, wv, wo;  // [heads * dim][n_embd], wo [n_embd][n_heads * value_dim]
  VectorPtr bq, bk, bv, bo;  // null: none
  VectorPtr q_norm, k_norm;  // null: none
  VectorPtr sinks;           // [n_heads] or null
};

// Latent attention; its output product is AttentionWeights::wo.
struct LatentWeights {
  WeightPtr wq_a, wq_b;  // [query_rank][n_embd], [n_heads * (plain + rope)][query_rank], or
  WeightPtr wq;          // [n_heads * (plain + rope)][n_embd]
  WeightPtr wkv_a;       // [kv_rank + rope][n_embd]
  WeightPtr wk_b, wv_b;  // [n_heads][kv_rank][plain], [n_heads][value_dim][kv_rank]
  VectorPtr q_norm, kv_norm;
};

struct FeedForwardWeights {
  WeightPtr gate, up, down;        // [n_ff][n_embd], [n_ff][n_embd], [n_embd][n_ff]; gate null: plain
  VectorPtr b_gate, b_up, b_down;  // null: none
};

struct ExpertWeights {
  WeightPtr router;                    // [n_experts][n_embd]
  VectorPtr b_router, selection_bias;  // [n_experts] or null
  WeightPtr gate, up, down;        // [n_experts][n_ff][n_embd] (gate null: plain), likewise, [n_experts][n_embd][n_ff]
  VectorPtr b_gate, b_up, b_down;  // [n_experts][n_ff] and so on, or null
  FeedForwardWeights shared;       // up null: none
  WeightPtr shared_router;         // [1][n_embd] or null
  VectorPtr scale;                 // [n_experts] on each one's result, or null
  // Beside a dense feed-forward, all three read the stream through norms of their own.
  NormWeights router_norm, norm, after_experts, after_dense;
};

// Work buffers of a layer, shared with others of the same widths. Unused ones are null.
struct LayerBuffers {
  backend::Activation* x = nullptr;                              // [n_embd] the residual stream
  backend::Activation* h = nullptr;                              // [n_embd] what sub-layers read: x normed, or x itself
  backend::Activation* branch = nullptr;                         // [n_embd] a sub-layer's result, to be normed or gated
  backend::Activation *q = nullptr, *k = nullptr, *v = nullptr;  // [heads * dim]
  backend::Activation* attended = nullptr;                       // [n_heads * value_dim]
  backend::Activation* query_latent = nullptr;                   // [query_rank]
  backend::Activation* latent = nullptr;                         // [kv_rank + rope]
  backend::Activation* absorbed = nullptr;                       // [n_heads * (kv_rank + rope)]
  backend::Activation* attended_latent = nullptr;                // [n_heads * kv_rank]
  backend::Activation *gate = nullptr, *up = nullptr, *ff = nullptr;                       // [n_ff]
  backend::Activation* route_logits = nullptr;                                             // [n_experts]
  backend::Activation *expert_gate = nullptr, *expert_up = nullptr, *expert_ff = nullptr;  // expert rows [n_ff]
  backend::Activation* expert_out = nullptr;                                               // expert rows [n_embd]
  backend::Activation* both = nullptr;                                                     // [n_embd] dense and experts
  backend::Activation* shared_gate = nullptr;                                              // [1]
  backend::Activation *layer_gate = nullptr, *layer_ff = nullptr;                          // [per_layer_width]
};

// One layer: how it is made, its weights, its buffers.
struct Layer {
  LayerParameters shape;
  int32_t layer_idx = 0;
  int32_t kv_layer_idx = 0;  // in its stage's pool
  NormWeights attn_norm, ffn_norm, after_attention, after_ffn, per_layer_norm;
  AttentionWeights attention;
  LatentWeights latent;
  FeedForwardWeights ffn;
  ExpertWeights experts;
  WeightPtr per_layer_gate, per_layer_proj;  // [per_layer_width][n_embd] and back, or null
  float output_scale = 1.0F;
  LayerBuffers buffers;
  // Of the last layer, for what follows its attention: only rows that become outputs. x null: all rows go on.
  LayerBuffers output_buffers;
};

Status load_layer(const Hyperparameters& hyper, WeightLoader& loader, Layer& layer);

// Asks for the layer's buffers.
void plan_buffers(const Hyperparameters& hyper, Layer& layer, BufferPlan& plan);

// A rotation on a backend.
struct Rope {
  VectorPtr frequencies;  // [n_dims/2], or two sets
  float magnitude = 1.0F;
  int32_t n_dims = 0;
};

// What a stage's layers share while they run.
struct LayerContext {
  const Hyperparameters& hyper;
  backend::Backend& backend;
  const std::vector<Rope>& ropes;
  backend::KvPool& kv;
  backend::Routing* routing = nullptr;             // null without experts
  const backend::Activation* per_layer = nullptr;  // [n_layers * per_layer_width] or null
  bool outputs_only = false;                       // from the attention on, in the layer's output_buffers
  const std::atomic<bool>* stop = nullptr;         // set by another thread: the layer need not be finished
  bool stopped() const { return stop != nullptr && *stop; }
};

// x = layer(x). With outputs_only output_buffers.x gets the output rows, and x is as before.
void run_layer(const LayerContext& context, const Layer& layer);
backend::NormSpec norm_spec(const Hyperparameters& hyper, const NormWeights& norm);

}  // namespace da::model
