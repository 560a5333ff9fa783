#pragma once

#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "model/hyperparameters.h"
#include "model/key_reader.h"

namespace da::model {

// Whether a tensor is there.
enum class Has : uint8_t { kNo, kMay, kMust };

// Where the norms of a sub-layer f stand, x being the residual stream.
enum class BlockNorms : uint8_t {
  kBefore,          // x + f(norm(x))
  kBeforeAndAfter,  // x + norm(f(norm(x)))
  kAfter,           // x + norm(f(x))
  kAfterSum,        // norm(x + f(x))
};

enum class HeadNorm : uint8_t {
  kNone,
  kShared,    // RMS of each head, one weight [key_dim]
  kPerHead,   // LayerNorm of each head with weights of its own [n_heads][key_dim], if the file has them
  kAllHeads,  // RMS over all heads together [n_heads * key_dim]
};

// What tells architectures apart; a variation is a field here, not a fork.
struct Architecture {
  std::string_view name;  // general.architecture
  backend::RopeKind rope_kind = backend::RopeKind::kInterleaved;

  backend::NormKind norm = backend::NormKind::kRms;
  Has norm_bias = Has::kNo;
  BlockNorms block_norms = BlockNorms::kBefore;
  bool has_output_norm = true;
  bool has_embedding_norm = false;
  bool has_positions = false;    // a learned table
  bool has_token_types = false;  // a table, if the file has it; all text is of type 0
  bool is_parallel = false;      // x + attention(h) + ffn(h), one norm for both

  Has qkv_bias = Has::kMay, attn_output_bias = Has::kMay, ffn_bias = Has::kMay, head_bias = Has::kNo;
  HeadNorm head_norm = HeadNorm::kNone;
  bool norms_values = false;  // RMS of each value head, without a weight
  bool has_sinks = false;
  Has rope_factors = Has::kMay;  // tensor rope_freqs
  Has layer_scale = Has::kNo;    // a factor on all that leaves the layer

  backend::GateKind activation = backend::GateKind::kSilu;
  bool is_gated = true;
  bool has_fused_gate = false;  // ffn_up holds gate and up

  bool has_experts = false;            // allowed; the file says how many
  bool has_experts_and_dense = false;  // where there are experts, the dense feed-forward runs beside them
  Has expert_bias = Has::kNo;
  backend::RouteKind route_kind = backend::RouteKind::kSoftmax;  // where the file does not say
  bool normalizes_experts = true;                                // likewise
  bool has_output_head = true;                                   // false: hidden states are all it gives

  // Tensor names that differ.
  std::string_view ffn_norm = "ffn_norm";
  std::string_view after_attention = "post_attention_norm", after_ffn = "post_ffw_norm";

  // Keys of its own, after the common ones.
  Status (*read)(KeyReader& keys, Hyperparameters& hyper) = nullptr;
};

// Error: kUnsupported lists the known architectures.
Result<const Architecture*> find_architecture(std::string_view name);
std::vector<std::string_view> known_architectures();

}  // namespace da::model
