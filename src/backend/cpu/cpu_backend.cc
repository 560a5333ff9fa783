#include "backend/cpu/cpu_backend.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "backend/cpu/cpu_backend_impl.h"
#include "backend/cpu/isa.h"
#include "base/cpu_limits.h"

namespace da::backend {
namespace cpu {
namespace {

int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

std::vector<int> cpus_of_team(const CpuTopology& topology, int n_threads) {
  std::vector<int> cpus;
  for (int i = 0; i < n_threads; ++i) cpus.push_back(topology.cpu_of_thread(i));
  return cpus;
}

}  // namespace

CpuBackend::CpuBackend(const KernelTable& kernels, int n_threads, const CpuOptions& options)
    : kernels_(kernels),
      map_weights_(options.map_weights),
      topology_(options.topology == nullptr ? cpu_topology() : *options.topology),
      pool_(n_threads, options.pin_threads ? cpus_of_team(topology_, n_threads) : std::vector<int>()) {}

std::string CpuBackend::description() const {
  return "CPU " + std::string(kernels_.name) + ", " + std::to_string(pool_.n_threads()) + " threads" +
         (topology_.n_nodes() > 1 ? " on " + std::to_string(topology_.n_nodes()) + " memory nodes" : "") +
         (map_weights_ ? ", weights left in the file" : "");
}

Result<std::unique_ptr<Weight>> CpuBackend::load_weight(const gguf::Tensor& tensor, WeightUse use) {
  if (linear_scratch_.size_bytes() == 0) {
    const auto floats = static_cast<uint64_t>(kLinearScratchFloats * pool_.n_threads());
    DA_ASSIGN_OR_RETURN(linear_scratch_, Memory::allocate(floats * sizeof(float), "product scratch"));
  }
  DA_ASSIGN_OR_RETURN(
      std::unique_ptr<PackedWeight> weight,
      pack_weight(tensor, use, kernels_, topology_, pool_, map_weights_ && use.stays ? nullptr : &weights_));
  if (!weight->mapped.empty()) DA_RETURN_IF_ERROR(reserve_mapped_scratch(*weight));
  if (weight->n_parts > 1) DA_RETURN_IF_ERROR(reserve_head_scratch(*weight));
  return std::unique_ptr<Weight>(std::move(weight));
}

Status CpuBackend::reserve_mapped_scratch(const PackedWeight& weight) {
  const int64_t bytes = round_up(2 * (weight.codes_stride_bytes + weight.scales_stride_bytes) + 64, 64);
  if (bytes <= mapped_scratch_bytes_) return Status::ok();
  mapped_scratch_bytes_ = bytes;
  DA_ASSIGN_OR_RETURN(mapped_scratch_,
                      Memory::allocate(static_cast<uint64_t>(bytes * pool_.n_threads()), "mapped weights"));
  return Status::ok();
}

Result<std::unique_ptr<Vector>> CpuBackend::load_vector(std::span<const float> values) {
  auto vector = std::make_unique<CpuVector>();
  vector->size = static_cast<int64_t>(values.size());
  const auto bytes = static_cast<uint64_t>(round_up(vector->size, 16)) * sizeof(float);
  DA_ASSIGN_OR_RETURN(vector->memory, Memory::allocate(bytes, "vector"));
  std::memcpy(vector->memory.data(), values.data(), values.size_bytes());
  return std::unique_ptr<Vector>(std::move(vector));
}

Result<std::unique_ptr<Activation>> CpuBackend::make_activation(int64_t width, int32_t max_rows,
                                                                std::span<const Weight* const> readers) {
  auto activation = std::make_unique<CpuActivation>();
  activation->width = width;
  activation->max_rows = max_rows;
  activation->stride = round_up(width, 16);
  DA_ASSIGN_OR_RETURN(
      activation->values,
      Memory::allocate(static_cast<uint64_t>(activation->stride * max_rows) * sizeof(float), "activations"));
  activation->size_bytes = activation->values.size_bytes();
  for (const Weight* reader : readers) {
    const auto& weight = static_cast<const PackedWeight&>(*reader);
    if (weight.wants_blocks()) activation->quantized_stride = width / 32 + 1;
    if (weight.wants_long_blocks()) activation->long_stride = width / kLongBlock + 1;
  }
  if (activation->quantized_stride > 0) {
    const auto bytes = static_cast<uint64_t>(activation->quantized_stride * max_rows) * sizeof(QuantBlock);
    DA_ASSIGN_OR_RETURN(activation->quantized, Memory::allocate(bytes, "quantized activations"));
  }
  if (activation->long_stride > 0) {
    const auto bytes = static_cast<uint64_t>(activation->long_stride * max_rows) * sizeof(QuantLongBlock);
    DA_ASSIGN_OR_RETURN(activation->long_blocks, Memory::allocate(bytes, "quantized activations"));
  }
  activation->size_bytes += activation->quantized.size_bytes() + activation->long_blocks.size_bytes();
  return std::unique_ptr<Activation>(std::move(activation));
}

Result<std::unique_ptr<KvPool>> CpuBackend::make_kv_pool(const KvSpec& spec) {
  DA_ASSIGN_OR_RETURN(auto pool, CpuKvPool::make(spec));
  for (int32_t i = 0; i < static_cast<int32_t>(spec.layers.size()); ++i) {
    const int64_t floats = attention_scratch_floats(pool->shape(i).key_dim, pool->value_stride(i));
    attention_scratch_stride_ = std::max(attention_scratch_stride_, round_up(floats, 16));
  }
  const auto bytes = static_cast<uint64_t>(attention_scratch_stride_ * pool_.n_threads()) * sizeof(float);
  DA_ASSIGN_OR_RETURN(attention_scratch_, Memory::allocate(bytes, "attention scratch"));
  if (pool_.n_threads() > 1 && attention_parts_.size_bytes() == 0) {
    const auto floats = static_cast<uint64_t>(kAttentionPartFloats * pool_.n_threads());
    DA_ASSIGN_OR_RETURN(attention_parts_, Memory::allocate(floats * sizeof(float), "pieces of attention"));
    attention_pieces_left_.resize(static_cast<size_t>(kJobsPerThread * pool_.n_threads()));
  }
  return std::unique_ptr<KvPool>(std::move(pool));
}

}  // namespace cpu

Result<std::unique_ptr<Backend>> make_cpu_backend(const CpuOptions& options) {
  DA_ASSIGN_OR_RETURN(const cpu::KernelTable* kernels, cpu::select_kernels(options.isa));
  const int n_threads = options.n_threads > 0 ? options.n_threads : available_cpus();
  return std::unique_ptr<Backend>(std::make_unique<cpu::CpuBackend>(*kernels, n_threads, options));
}

}  // namespace da::backend
