#include "scheduler/load_terms.h"

#include <algorithm>
#include <cctype>

namespace da::scheduler {

using nlohmann::json;

namespace {

// An engine has room for this many at once, so that the number of places can be raised while it runs.
constexpr int kLeastSequences = 16;

// -1: the model names none.
int number_of(const store::ModelInfo& model, const char* parameter) {
  const auto found = model.parameters.find(parameter);
  if (found == model.parameters.end() || !found->is_number()) return -1;
  return static_cast<int>(std::clamp(found->get<double>(), -1.0, 1e6));
}

}  // namespace

std::string key_of(const store::ModelInfo& model) {
  std::string key = model.gguf_path;
  const auto kv_type = model.parameters.find("kv_cache_type");
  if (kv_type != model.parameters.end() && kv_type->is_string()) key += "\n" + kv_type->get<std::string>();
  if (const int gpu = main_gpu_of(model); gpu >= 0) key += "\nmain_gpu " + std::to_string(gpu);
  return key;
}

uint64_t need_bytes(const store::ModelInfo& model) {
  return model.size_bytes == 0 ? 0 : model.size_bytes + model.size_bytes / 8 + (64ULL << 20);
}

int gpu_layers_of(const store::ModelInfo& model) { return number_of(model, "num_gpu"); }
int main_gpu_of(const store::ModelInfo& model) { return number_of(model, "main_gpu"); }

runner::Spec spec_of(const store::ModelInfo& model, int gpu_layers, const Options& options) {
  runner::Spec spec;
  spec.name = model.name;
  spec.model_path = model.gguf_path;
  spec.options["num_parallel"] = std::max(options.n_parallel, kLeastSequences);
  spec.options["latency_target_ms"] = options.latency_target.count();
  spec.options["kv_cache_type"] = options.kv_cache_type;
  spec.options["num_ctx"] = options.context_tokens;
  spec.options["num_gpu"] = gpu_layers >= 0 ? gpu_layers : options.gpu_layers;
  for (const char* key : {"num_ctx", "num_thread", "pin_threads", "use_mmap", "main_gpu"}) {
    const auto found = model.parameters.find(key);
    if (found != model.parameters.end() && (found->is_number() || found->is_boolean())) spec.options[key] = *found;
  }
  const auto kv_type = model.parameters.find("kv_cache_type");
  if (kv_type != model.parameters.end() && kv_type->is_string()) spec.options["kv_cache_type"] = *kv_type;
  if (options.gpu_loss == GpuLoss::kCpu) spec.options["cpu_if_gpus_fail"] = true;
  return spec;
}

ErrorCode code_of(const std::string& name) {
  for (int number = 0; number <= static_cast<int>(ErrorCode::kInternal); ++number) {
    if (error_code_name(static_cast<ErrorCode>(number)) == name) return static_cast<ErrorCode>(number);
  }
  return ErrorCode::kInternal;
}

bool is_gpu(const json& gpu) {
  if (!gpu.is_object() || !gpu.contains("uuid") || !gpu["uuid"].is_string()) return false;
  if (!gpu.contains("free_bytes") || !gpu["free_bytes"].is_number_unsigned()) return false;
  const auto& uuid = gpu["uuid"].get_ref<const std::string&>();
  const auto is_plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; };
  return uuid.size() <= 64 && std::all_of(uuid.begin(), uuid.end(), is_plain);
}

}  // namespace da::scheduler
