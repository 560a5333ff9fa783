#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "gguf/gguf.h"

namespace da::model {

struct Architecture;

enum class RopeScaling : uint8_t { kNone, kLinear, kYarn };

// One way to rotate; the layers of a model use one or two.
struct RopeParameters {
  int32_t n_dims = 0;
  float freq_base = 10000.0F;
  RopeScaling scaling = RopeScaling::kNone;
  float factor = 1.0F;
  float attn_factor = 1.0F;  // on the magnitude
  // YaRN
  int32_t original_context = 0;
  float ext_factor = 1.0F, beta_fast = 32.0F, beta_slow = 1.0F;
  float mscale = 1.0F, mscale_all = 0.0F;  // weights of the two terms whose ratio is the magnitude
  // Tensor of divisors, one for each pair of dimensions; "": none. It may be absent. Long-rope has another for the
  // sequences of a long context.
  std::string factors_tensor, far_factors_tensor;

  bool operator==(const RopeParameters&) const = default;
};

// 1 + 0.1 * weight * ln(factor), YaRN's growth of attention with the context.
float yarn_growth(float factor, float weight);

struct LayerParameters {
  int32_t n_heads = 0;       // query heads
  int32_t n_kv_heads = 0;    // divides n_heads
  int32_t key_dim = 0;       // of one query or key head
  int32_t value_dim = 0;     // of one value head
  int32_t n_ff = 0;          // width of the dense feed-forward
  int32_t window = 0;        // 0: sees all
  int32_t rope_idx = 0;      // in Hyperparameters::ropes; -1: none
  int32_t kv_layer_idx = 0;  // the layer whose keys and values it reads, mostly itself
  bool has_experts = false;
};

// Mixture of experts; n is 0 without.
struct ExpertParameters {
  int32_t n = 0, n_used = 0;
  int32_t n_ff = 0;              // width of one expert
  int32_t n_shared_ff = 0;       // of the expert every row passes; 0: none
  bool shared_is_gated = false;  // by a sigmoid of its own
  backend::RouteSpec route;      // selection_bias is filled in per layer
};

// Latent attention (MLA); kv_rank is 0 without.
struct LatentParameters {
  int32_t query_rank = 0;  // 0: queries straight from the input
  int32_t kv_rank = 0;
  int32_t plain_dim = 0;  // of a query head, not rotated
  int32_t value_dim = 0;  // of a head, after expansion
};

// How an embedding is made of the hidden states, as the file asks.
enum class Pooling : uint8_t { kUnspecified, kNone, kMean, kCls, kLast };

// The sizes of a model, in the one vocabulary used from here to the kernels.
struct Hyperparameters {
  const Architecture* architecture = nullptr;
  int32_t n_layers = 0;
  int32_t n_embd = 0;  // width of the residual stream
  int32_t n_vocab = 0;
  int32_t n_token_types = 0;   // rows of their table; 0: none
  int32_t context_tokens = 0;  // the model was trained for
  float norm_eps = 0;
  std::vector<LayerParameters> layers;
  std::vector<RopeParameters> ropes;
  int32_t near_context = 0;  // sequences of a longer one are `far` (see backend::SequenceRows); 0: none are
  ExpertParameters experts;
  LatentParameters latent;
  int32_t per_layer_width = 0;  // of the token embeddings that each layer has for itself; 0: none

  float embedding_scale = 1.0F, residual_scale = 1.0F, logit_scale = 1.0F;
  float attention_scale = 0.0F;  // on query * key; 0: 1/sqrt(key_dim)
  float attention_softcap = 0.0F, logit_softcap = 0.0F;
  float query_temperature = 0.0F;  // see backend::RopeSpec
  int32_t query_temperature_tokens = 1;
  bool causal = true;
  Pooling pooling = Pooling::kUnspecified;

  // What a user should know about the file: unknown keys and tensors that were passed over.
  std::vector<std::string> warnings;
};

// Reads and checks `file`'s hyper-parameters. Errors: kCorruptData names the key, the value found and what it may be;
// kUnsupported names what we do not do (architecture, rope scaling type, keys that change what is computed).
Result<Hyperparameters> read_hyperparameters(const gguf::File& file);

}  // namespace da::model
