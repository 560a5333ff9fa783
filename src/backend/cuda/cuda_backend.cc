#include "backend/cuda/cuda_backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cuda/cuda_backend_impl.h"
#include "base/cpu_limits.h"
#include "quant/quant.h"

namespace da::backend::cuda {
namespace {

constexpr uint64_t kStagingBytes = 8 << 20;
constexpr uint64_t kPartialBytes = 16 << 20;
constexpr int32_t kMaxRows = 65535;  // of a grid's second dimension
// Sequences that share pages list them each: room for this many lists of the whole pool, up to a million pages.
constexpr int64_t kPageLists = 16, kMostListedPages = 1 << 20;

int pack_threads(const CudaOptions& options) {
  if (options.count_only) return 1;
  return options.n_threads > 0 ? options.n_threads : std::min(8, available_cpus());
}

}  // namespace

CudaBackend::CudaBackend(const CudaOptions& options) : options_(options), threads_(pack_threads(options)) {
  ledger_.count_only = options.count_only;
}

CudaBackend::~CudaBackend() {
  (void)launcher_.use();
  // What is on its way may read memory that is about to go. After a fault this returns at once; a kernel that does not
  // end is left to the end of the process.
  if (stream_ != nullptr && done_.get() != nullptr && done_.record(stream_).is_ok())
    (void)done_.wait(options_.step_deadline_ms);
  if (stream_ != nullptr) (void)cudaStreamDestroy(stream_);
}

Status CudaBackend::open_device() {
  DA_ASSIGN_OR_RETURN(const int32_t n_gpus, count_gpus());
  if (options_.device < 0 || options_.device >= n_gpus) {
    return {ErrorCode::kInvalidArgument,
            "GPU " + std::to_string(options_.device) + ": there are " + std::to_string(n_gpus)};
  }
  DA_ASSIGN_OR_RETURN(const device::Gpu gpu, describe_gpu(options_.device));
  if (gpu.compute_major < 8) {
    return {ErrorCode::kUnsupported, "GPU " + gpu.name + ": compute capability " + std::to_string(gpu.compute_major) +
                                         "." + std::to_string(gpu.compute_minor) + ", 8.0 or newer is needed"};
  }
  DA_CUDA_RETURN_IF_ERROR(cudaSetDevice(options_.device));
  cudaDeviceProp properties;
  DA_CUDA_RETURN_IF_ERROR(cudaGetDeviceProperties(&properties, options_.device));
  max_shared_bytes_ = static_cast<int32_t>(properties.sharedMemPerBlockOptin);
  n_processors_ = properties.multiProcessorCount;
  description_ = "GPU " + std::to_string(gpu.index) + " " + gpu.name + ", " +
                 std::to_string(gpu.memory_total_bytes >> 20) + " MiB";
  if (options_.count_only) {
    launcher_.open(options_.device, nullptr, max_shared_bytes_, false);
    return Status::ok();
  }
  DA_CUDA_RETURN_IF_ERROR(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  DA_RETURN_IF_ERROR(done_.make());
  launcher_.open(options_.device, stream_, max_shared_bytes_, options_.graphs);
  return staging_.open(stream_, kStagingBytes, options_.step_deadline_ms);
}

Status CudaBackend::open() {
  DA_RETURN_IF_ERROR(open_device());
  if (options_.count_only) return Status::ok();
  DA_RETURN_IF_ERROR(self_test());
  // What it reserved goes, so that a load takes what was counted for it.
  batch_memory_ = DeviceMemory();
  choices_ = DeviceMemory();
  choices_host_ = PinnedMemory();
  layout_ = BatchLayout();
  return Status::ok();
}

// A product of Q8_0 weights with known activations, whose integers come out exactly, by both kernels.
Status CudaBackend::self_test() {
  constexpr int64_t kIn = 256, kOut = 24;
  constexpr int32_t kRows = 12;
  std::vector<float> weights(kOut * kIn), inputs(kRows * kIn);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i * 37 % 255) - 127.0F;
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = static_cast<float>(i * 101 % 255) - 127.0F;
  // Every block holds 127, so that values are their own codes and scales are 1.
  for (size_t i = 0; i < weights.size(); i += 32) weights[i] = 127.0F;
  for (size_t i = 0; i < inputs.size(); i += 32) inputs[i] = 127.0F;
  gguf::Tensor tensor;
  tensor.name = "self-test";
  tensor.type = gguf::TensorType::kQ8_0;
  tensor.n_dims = 2;
  tensor.dims = {kIn, kOut, 1, 1};
  std::vector<std::byte> blocks(kOut * kIn / 32 * 34);
  DA_RETURN_IF_ERROR(quant::quantize(tensor.type, weights.data(), blocks.data(), weights.size()));
  tensor.size_bytes = blocks.size();
  tensor.data = blocks;
  DA_ASSIGN_OR_RETURN(const auto weight, load_weight(tensor, {}));
  const Weight* reader = weight.get();
  DA_ASSIGN_OR_RETURN(const auto in, make_activation(kIn, kRows, {&reader, 1}));
  DA_ASSIGN_OR_RETURN(const auto out, make_activation(kOut, kRows, {}));
  for (const int32_t n_rows : {kRows, 1}) {
    DA_RETURN_IF_ERROR(write_rows({inputs.data(), n_rows, kIn, kIn}, *in));
    const LinearSpec product{.weight = weight.get(), .out = out.get()};
    linear(*in, {&product, 1});
    DA_ASSIGN_OR_RETURN(const RowsView got, read_rows(*out));
    for (int64_t row = 0; row < n_rows; ++row) {
      for (int64_t o = 0; o < kOut; ++o) {
        float expected = 0;  // below 2^24: exact in any order
        for (int64_t k = 0; k < kIn; ++k)
          expected += weights[static_cast<size_t>(o * kIn + k)] * inputs[static_cast<size_t>(row * kIn + k)];
        if (got.row(row)[static_cast<size_t>(o)] != expected) {
          return {ErrorCode::kUnavailable, description_ + ": computes wrongly (a product is " +
                                               std::to_string(got.row(row)[static_cast<size_t>(o)]) + ", expected " +
                                               std::to_string(expected) + ")"};
        }
      }
    }
  }
  return Status::ok();
}

Status CudaBackend::upload_planes(const gguf::Tensor& tensor, const CudaWeight& weight) {
  const Packing& packing = weight.packing;
  const int64_t n_rows = weight.n_out * weight.n_parts;
  const auto& info = gguf::tensor_type_info(tensor.type);
  const int64_t source_row_bytes = weight.n_in / info.values_per_block * info.bytes_per_block;
  DA_RETURN_IF_ERROR(staging_.reserve(packing.row_bytes()));
  const auto rows_per_chunk = static_cast<int64_t>(staging_.slot_bytes() / packing.row_bytes());
  for (int64_t begin = 0; begin < n_rows; begin += rows_per_chunk) {
    const int64_t n = std::min(rows_per_chunk, n_rows - begin);
    const auto rows = static_cast<uint64_t>(n), first = static_cast<uint64_t>(begin);
    DA_ASSIGN_OR_RETURN(uint8_t * slot, staging_.acquire());
    // The chunk's planes one after the other.
    const uint64_t high = rows * packing.low_bytes, scales = high + rows * packing.high_bytes,
                   d = scales + rows * packing.scale_bytes;
    std::vector<Status> failed(static_cast<size_t>(n));
    threads_.parallel_for(n, 16, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        const auto row = static_cast<uint64_t>(i);
        failed[row] = pack_row(tensor.type, packing, tensor.data.data() + (begin + i) * source_row_bytes, weight.n_in,
                               {slot + row * packing.low_bytes, slot + high + row * packing.high_bytes,
                                slot + scales + row * packing.scale_bytes, slot + d + row * packing.d_bytes});
      }
    });
    for (const Status& status : failed) DA_RETURN_IF_ERROR(status);
    uint8_t* to = weight.memory.data();
    DA_RETURN_IF_ERROR(staging_.copy(to + first * packing.low_bytes, 0, rows * packing.low_bytes));
    DA_RETURN_IF_ERROR(
        staging_.copy(to + weight.high_offset_bytes + first * packing.high_bytes, high, rows * packing.high_bytes));
    DA_RETURN_IF_ERROR(staging_.copy(to + weight.scales_offset_bytes + first * packing.scale_bytes, scales,
                                     rows * packing.scale_bytes));
    DA_RETURN_IF_ERROR(staging_.copy(to + weight.d_offset_bytes + first * packing.d_bytes, d, rows * packing.d_bytes));
    DA_RETURN_IF_ERROR(staging_.submit());
    if (on_chunk_ && !on_chunk_(static_cast<uint64_t>((begin + n) * source_row_bytes)))
      return {ErrorCode::kCancelled, "load: cancelled"};
  }
  return Status::ok();
}

DeviceBytes CudaBackend::bytes_by_kind() const {
  const auto of = [this](MemoryKind kind) { return ledger_.by_kind[static_cast<size_t>(kind)].load(); };
  return {of(MemoryKind::kWeights), of(MemoryKind::kKv), of(MemoryKind::kBuffers)};
}

// A device may have failed without anybody having waited for it, such as the first of two in a step.
Status CudaBackend::fault() const {
  if (options_.count_only) return Status::ok();
  if (launcher_.status().code() == ErrorCode::kUnavailable) return launcher_.status();
  DA_RETURN_IF_ERROR(launcher_.use());
  const cudaError_t error = stream_ == nullptr ? cudaSuccess : cudaStreamQuery(stream_);
  return error == cudaErrorNotReady ? Status::ok() : cuda_status(error, "cudaStreamQuery");
}

Result<std::unique_ptr<Weight>> CudaBackend::load_weight(const gguf::Tensor& tensor, WeightUse use) {
  const auto& info = gguf::tensor_type_info(tensor.type);
  auto weight = std::make_unique<CudaWeight>();
  weight->n_in = static_cast<int64_t>(tensor.dims[0]);
  weight->n_out = static_cast<int64_t>(tensor.dims[1]);
  weight->n_parts = static_cast<int64_t>(tensor.dims[2]);
  weight->type = tensor.type;
  if (tensor.data.size() != tensor.size_bytes || tensor.data.empty())
    return {ErrorCode::kInvalidArgument, "tensor " + tensor.name + ": opened without its data"};
  if (tensor.n_dims > 3 || weight->n_in % info.values_per_block != 0) {
    return {ErrorCode::kCorruptData,
            "tensor " + tensor.name + ": not matrices of whole " + std::string(info.name) + " blocks"};
  }
  auto packing = packing_of(tensor.type, weight->n_in);
  if (!packing.is_ok()) return packing.status().with_context("tensor " + tensor.name);
  weight->packing = *packing;
  if (use.rows) weight->rows = tensor.data;
  if (!use.product) return std::unique_ptr<Weight>(std::move(weight));

  DA_RETURN_IF_ERROR(launcher_.use());
  const int64_t n_rows = weight->n_out * weight->n_parts;
  auto memory = DeviceMemory::allocate(ledger_, packed_bytes(weight->packing, n_rows), "weights", MemoryKind::kWeights);
  if (!memory.is_ok()) return memory.status().with_context("tensor " + tensor.name);
  weight->memory = std::move(*memory);
  weight->size_bytes = weight->memory.size_bytes();
  weight->packed = true;
  weight->high_offset_bytes = plane_bytes(weight->packing.low_bytes, n_rows);
  weight->scales_offset_bytes = weight->high_offset_bytes + plane_bytes(weight->packing.high_bytes, n_rows);
  weight->d_offset_bytes = weight->scales_offset_bytes + plane_bytes(weight->packing.scale_bytes, n_rows);
  if (options_.count_only) return std::unique_ptr<Weight>(std::move(weight));
  const Status uploaded = upload_planes(tensor, *weight);
  if (!uploaded.is_ok()) return uploaded.with_context("tensor " + tensor.name);
  return std::unique_ptr<Weight>(std::move(weight));
}

Result<std::unique_ptr<Vector>> CudaBackend::load_vector(std::span<const float> values) {
  DA_RETURN_IF_ERROR(launcher_.use());
  auto vector = std::make_unique<CudaVector>();
  vector->size = static_cast<int64_t>(values.size());
  DA_ASSIGN_OR_RETURN(vector->memory, DeviceMemory::allocate(ledger_, std::max<size_t>(4, values.size_bytes()),
                                                             "vector", MemoryKind::kWeights));
  if (options_.count_only) return std::unique_ptr<Vector>(std::move(vector));
  DA_RETURN_IF_ERROR(staging_.reserve(values.size_bytes()));
  DA_ASSIGN_OR_RETURN(uint8_t * slot, staging_.acquire());
  std::memcpy(slot, values.data(), values.size_bytes());
  DA_RETURN_IF_ERROR(staging_.copy(vector->memory.data(), 0, values.size_bytes()));
  DA_RETURN_IF_ERROR(staging_.submit());
  return std::unique_ptr<Vector>(std::move(vector));
}

Result<std::unique_ptr<Activation>> CudaBackend::make_activation(int64_t width, int32_t max_rows,
                                                                 std::span<const Weight* const> readers) {
  if (max_rows > kMaxRows) {
    return {ErrorCode::kUnsupported,
            "GPU: a batch of " + std::to_string(max_rows) + " rows, at most " + std::to_string(kMaxRows)};
  }
  DA_RETURN_IF_ERROR(launcher_.use());
  auto activation = std::make_unique<CudaActivation>();
  activation->width = width;
  activation->max_rows = max_rows;
  activation->stride = (width + 3) / 4 * 4;
  const bool quantized =
      std::any_of(readers.begin(), readers.end(), [](const Weight* weight) { return mine(*weight).wants_quantized(); });
  DA_CHECK(!quantized || width % 32 == 0);
  const auto align = [](uint64_t bytes) { return (bytes + 255) / 256 * 256; };
  const auto rows = static_cast<uint64_t>(max_rows), columns = static_cast<uint64_t>(width);
  const uint64_t value_bytes = align(rows * static_cast<uint64_t>(activation->stride) * sizeof(float));
  const uint64_t code_bytes = quantized ? align(rows * columns) : 0;
  const uint64_t meta_bytes = quantized ? align(rows * columns / 32 * sizeof(QuantMeta)) : 0;
  DA_ASSIGN_OR_RETURN(activation->memory,
                      DeviceMemory::allocate(ledger_, value_bytes + code_bytes + meta_bytes, "work buffers"));
  activation->size_bytes = activation->memory.size_bytes();
  activation->values = activation->memory.as<float>();
  if (quantized) {
    activation->codes = activation->memory.as<int8_t>(value_bytes);
    activation->meta = activation->memory.as<QuantMeta>(value_bytes + code_bytes);
  }
  DA_RETURN_IF_ERROR(reserve_batch(max_rows, layout_.max_pages));
  return std::unique_ptr<Activation>(std::move(activation));
}

Result<std::unique_ptr<Routing>> CudaBackend::make_routing(int32_t n_experts, int32_t n_used, int32_t max_rows, int64_t,
                                                           std::span<const Weight* const>) {
  if (n_experts < 1 || n_experts > kMaxExperts || n_used < 1 || n_used > n_experts) {
    return {ErrorCode::kUnsupported, "routing: " + std::to_string(n_used) + " of " + std::to_string(n_experts) +
                                         " experts, expected 1 to all of at most " + std::to_string(kMaxExperts)};
  }
  DA_RETURN_IF_ERROR(launcher_.use());
  auto routing = std::make_unique<CudaRouting>();
  routing->n_experts = n_experts;
  routing->n_used = n_used;
  routing->max_rows = max_rows;
  const uint64_t n = static_cast<uint64_t>(max_rows) * static_cast<uint64_t>(n_used);
  const uint64_t tile_bytes = static_cast<uint64_t>(routing->most_tiles(static_cast<int32_t>(n))) * sizeof(ExpertTile);
  DA_ASSIGN_OR_RETURN(routing->memory, DeviceMemory::allocate(ledger_, n * 12 + tile_bytes, "routing"));
  routing->experts = routing->memory.as<int32_t>();
  routing->weights = routing->memory.as<float>(n * 4);
  routing->order = routing->memory.as<int32_t>(n * 8);
  routing->tiles = routing->memory.as<ExpertTile>(n * 12);
  routing->size_bytes = routing->memory.size_bytes();
  return std::unique_ptr<Routing>(std::move(routing));
}

Result<std::unique_ptr<KvPool>> CudaBackend::make_kv_pool(const KvSpec& spec) {
  DA_RETURN_IF_ERROR(launcher_.use());
  for (const KvLayer& layer : spec.layers) {
    if (attention_queries_per_tile(layer.key_dim, layer.value_dim) == 0) {
      return {ErrorCode::kUnsupported, "GPU: attention heads of " + std::to_string(layer.key_dim) + " and " +
                                           std::to_string(layer.value_dim) + " values, at most " +
                                           std::to_string(kMaxHeadDim)};
    }
  }
  if (partial_.size_bytes() == 0) {
    DA_ASSIGN_OR_RETURN(partial_, DeviceMemory::allocate(ledger_, kPartialBytes, "attention scratch"));
  }
  DA_ASSIGN_OR_RETURN(auto pool, CudaKvPool::make(options_.device, launcher_.stream(), spec, ledger_));
  const int64_t pages = spec.max_pages;
  DA_RETURN_IF_ERROR(reserve_batch(layout_.max_rows, std::max(pages, std::min(pages * kPageLists, kMostListedPages))));
  return std::unique_ptr<KvPool>(std::move(pool));
}

Status CudaBackend::reserve_rotation(const Vector& frequencies, int32_t max_rows) {
  DA_RETURN_IF_ERROR(launcher_.use());
  // A smaller one of the same goes: nothing refers to it between steps.
  std::erase_if(rope_tables_,
                [&](const auto& table) { return table->frequencies == &frequencies && table->max_rows < max_rows; });
  for (const auto& table : rope_tables_) {
    if (table->frequencies == &frequencies) return Status::ok();
  }
  auto table = std::make_unique<RopeTable>();
  table->frequencies = &frequencies;
  table->max_rows = max_rows;
  const uint64_t bytes = static_cast<uint64_t>(max_rows) * static_cast<uint64_t>(frequencies.size) * 2 * sizeof(float);
  DA_ASSIGN_OR_RETURN(table->memory, DeviceMemory::allocate(ledger_, std::max<uint64_t>(bytes, 8), "rotation angles"));
  rope_tables_.push_back(std::move(table));
  return Status::ok();
}

Status CudaBackend::reserve_reading(const Activation& activation) {
  const CudaActivation& from = mine(activation);
  const uint64_t bytes = static_cast<uint64_t>(activation.max_rows * from.stride) * sizeof(float);
  if (options_.count_only || bytes <= from.host.size_bytes()) return Status::ok();
  DA_RETURN_IF_ERROR(launcher_.use());
  DA_ASSIGN_OR_RETURN(from.host, PinnedMemory::allocate(bytes, "rows read"));
  return Status::ok();
}

Result<std::unique_ptr<Backend>> make_cuda_backend(const CudaOptions& options) {
  auto backend = std::make_unique<CudaBackend>(options);
  DA_RETURN_IF_ERROR(backend->open());
  return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace da::backend::cuda
