#pragma once

#include <cstdint>
#include <string>

#include "backend/backend.h"
#include "base/result.h"
#include "gguf/gguf.h"

namespace da::model {

enum class RopeScaling : uint8_t { kNone, kLinear, kYarn };

// The sizes of a model, in the one vocabulary used from here to the kernels.
struct Hyperparameters {
  std::string architecture;  // "llama"
  int32_t n_layers = 0;
  int32_t n_embd = 0;      // width of the residual stream
  int32_t n_heads = 0;     // query heads
  int32_t n_kv_heads = 0;  // divides n_heads
  int32_t key_dim = 0;     // of one query or key head
  int32_t value_dim = 0;   // of one value head
  int32_t n_ff = 0;        // width of the feed-forward
  int32_t n_vocab = 0;
  int32_t context_tokens = 0;  // the model was trained for
  float norm_eps = 0;

  backend::RopeKind rope_kind = backend::RopeKind::kInterleaved;
  int32_t rope_dims = 0;
  float rope_freq_base = 10000.0F;
  RopeScaling rope_scaling = RopeScaling::kNone;
  float rope_scaling_factor = 1.0F;
  int32_t rope_original_context = 0;  // YaRN
  float rope_attn_factor = 1.0F;      // YaRN, on its magnitude
  float yarn_ext_factor = 1.0F, yarn_beta_fast = 32.0F, yarn_beta_slow = 1.0F;
};

// Reads and checks `file`'s hyper-parameters. Errors: kCorruptData names the key, the value found and what it may be;
// kUnsupported names what we do not do (rope scaling type).
Result<Hyperparameters> read_hyperparameters(const gguf::File& file);

}  // namespace da::model
