#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "gguf/gguf.h"

// The model alone, without the engine's queue: what the command `eval` and the golden tests use.
namespace da::engine {

struct EvalOptions {
  std::string isa;           // "": the best this CPU has
  int32_t n_threads = 0;     // 0: the CPUs this process may use
  int32_t chunk_tokens = 0;  // tokens a batch; 0: all at once up to 512
};

// One sequence of `tokens` at positions 0.., F32 KV, nothing added. Calls `row` with the logits [n_vocab] of each
// position in order. Errors: as Model::load; kInvalidArgument (no tokens, an id out of range).
Status eval_logits(std::shared_ptr<const gguf::File> file, std::span<const int32_t> tokens, const EvalOptions& options,
                   const std::function<Status(std::span<const float> logits)>& row);

// The same into a file of float32, little-endian, [n_tokens][n_vocab].
Status eval_logits(const std::string& model_path, std::span<const int32_t> tokens, const std::string& isa,
                   const std::string& out_path, int32_t n_threads);

}  // namespace da::engine
