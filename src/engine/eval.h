#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "gguf/gguf.h"
#include "model/model.h"

// The model alone, without the engine's queue: what the command `eval` and the golden tests use.
namespace da::engine {

struct EvalOptions {
  std::string isa;           // "": the best this CPU has
  int32_t n_threads = 0;     // 0: the CPUs this process may use
  int32_t chunk_tokens = 0;  // tokens a batch; 0: all at once up to 512
  // Layers of each stage, every stage on a CPU backend of its own; empty: one stage.
  std::vector<int32_t> stage_layers;
  // Where it runs; null: on the CPU as above.
  std::function<Result<model::Placement>(const gguf::File& file)> place;
  std::function<void(const std::string&)> warn;  // about the file; null: nobody is told
};

// One sequence of `tokens` at positions 0.., F32 KV, nothing added. Calls `row` with the logits [n_vocab], or the
// hidden states [n_embd] after the last norm, of each position in order. A model that is not causal gets them all in
// one batch. Errors: as Model::load; kInvalidArgument (no tokens, an id out of range), kUnsupported (logits of an
// encoder).
Status eval_rows(std::shared_ptr<const gguf::File> file, std::span<const int32_t> tokens, model::Output output,
                 const EvalOptions& options, const std::function<Status(std::span<const float> row)>& row);
inline Status eval_logits(std::shared_ptr<const gguf::File> file, std::span<const int32_t> tokens,
                          const EvalOptions& options, const std::function<Status(std::span<const float> row)>& row) {
  return eval_rows(std::move(file), tokens, model::Output::kLogits, options, row);
}

// The same into a file of float32, little-endian: the rows [n_tokens][width], or with `pooling` other than kNone one.
struct EvalToFile {
  std::string model_path, out_path;
  model::Output output = model::Output::kLogits;
  model::Pooling pooling = model::Pooling::kNone;  // of hidden states
};
Status eval_to_file(const EvalToFile& what, std::span<const int32_t> tokens, const EvalOptions& options);

}  // namespace da::engine
