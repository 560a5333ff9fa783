#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "engine/sampler.h"

namespace da::runner {

// `options` of a request, by Ollama's names. What concerns loading is read from the load message only.
struct RequestOptions {
  engine::SamplingParams sampling;
  std::vector<std::string> stop;
  int32_t num_predict = -1;    // 0 or less: until the context is full
  int32_t num_ctx = 0;         // 0: the context the model was loaded with
  int32_t num_keep = 4;        // tokens at the head that a cut or a shift leaves; negative: the whole prompt (of a shift)
  int32_t n_unknown = 0;       // names that are no option, for a warning
};

struct LoadOptions {
  int32_t num_ctx = 0;         // where a request names none; 0: what fits, up to the model's own
  int32_t num_parallel = 4;    // sequences the engine has room for
  int32_t latency_target_ms = 0;   // between two tokens of a request; 0: none
  int32_t num_thread = 0;      // 0: the CPUs this process may use
  bool pin_threads = false;    // each on one processor
  bool use_mmap = false;       // weights stay in the mapped file: no memory of their own, slower products
  int32_t num_gpu = -1;        // layers on GPUs at most; -1: as many as fit
  int32_t main_gpu = -1;       // the one GPU to use; -1: all
  std::string main_gpu_uuid;   // of it, where the server knows it
  bool cpu_if_gpus_fail = false;   // GPUs that are there and cannot be used: the model runs on the CPU
  backend::KvTypes kv_type;
};
// Of a model that does not say its own; and what a model is made for that has to choose (long-rope).
inline constexpr int32_t kUsualContextTokens = 32768;

// Checks every known option's type. null counts as absent; a fraction given for an integer is truncated; numbers beyond
// the range are brought to its end. Errors: kInvalidArgument, `option "temperature" must be of type float32`.
Result<RequestOptions> parse_request_options(const nlohmann::ordered_json& options);
Result<LoadOptions> parse_load_options(const nlohmann::ordered_json& options);

}  // namespace da::runner
