#include "quant/model_writer.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/cpu_limits.h"
#include "base/thread_pool.h"
#include "gguf/parts.h"
#include "quant/quant.h"

namespace da::quant {
namespace {

using gguf::TensorType;

constexpr uint64_t kPieceValues = uint64_t{1} << 22;  // converted at a time, by all threads
constexpr uint64_t kTaskValues = uint64_t{1} << 15;   // by one thread at a time

bool is_float(TensorType type) {
  return type == TensorType::kF32 || type == TensorType::kF16 || type == TensorType::kBF16 || type == TensorType::kF64;
}

uint64_t row_bytes_of(TensorType type, uint64_t n_in) {
  const auto& info = gguf::tensor_type_info(type);
  return n_in / info.values_per_block * info.bytes_per_block;
}

// What the tensors of one file share while they are written, one after the other.
class Converter {
 public:
  Converter(const gguf::File& file, const QuantizeOptions& options)
      : file_(file), options_(options), pool_(options.n_threads > 0 ? options.n_threads : available_cpus()) {
    for (const gguf::Tensor& tensor : file.tensors()) bytes_total_ += tensor.size_bytes;
  }

  Status write(const gguf::Tensor& tensor, TensorType type, const gguf::Sink& sink) {
    const uint64_t n_in = tensor.dims[0], n_rows = tensor.n_values() / n_in;
    const uint64_t source_bytes = row_bytes_of(tensor.type, n_in);
    const uint64_t rows_per_piece = std::max<uint64_t>(1, kPieceValues / n_in);
    weights_.clear();
    if (options_.importance != nullptr && type != tensor.type) {
      DA_ASSIGN_OR_RETURN(weights_, options_.importance->weights(tensor));
    }
    for (uint64_t row = 0; row < n_rows; row += rows_per_piece) {
      const uint64_t n_taken = std::min(rows_per_piece, n_rows - row);
      DA_ASSIGN_OR_RETURN(const auto source, take(tensor, row * source_bytes, n_taken * source_bytes));
      if (type == tensor.type) {
        DA_RETURN_IF_ERROR(sink(source));
      } else {
        DA_RETURN_IF_ERROR(convert(tensor, source, type, row, n_taken));
        DA_RETURN_IF_ERROR(sink(std::span(piece_).first(n_taken * row_bytes_of(type, n_in))));
      }
      bytes_done_ += n_taken * source_bytes;
      if (options_.progress && !options_.progress({tensor.name, bytes_done_, bytes_total_})) {
        return {ErrorCode::kCancelled, "quantize: cancelled"};
      }
    }
    return Status::ok();
  }

 private:
  // Bytes of a tensor, in place where the file is mapped.
  Result<std::span<const std::byte>> take(const gguf::Tensor& tensor, uint64_t offset, uint64_t n_bytes) {
    if (!tensor.data.empty()) return tensor.data.subspan(offset, n_bytes);
    read_.resize(n_bytes);
    DA_RETURN_IF_ERROR(file_.read(tensor, offset, read_));
    return std::span<const std::byte>(read_);
  }

  // Rows [first_row, first_row + n_rows), which are `source`, into piece_.
  Status convert(const gguf::Tensor& tensor, std::span<const std::byte> source, TensorType type, uint64_t first_row,
                 uint64_t n_rows) {
    const uint64_t n_in = tensor.dims[0];
    const uint64_t from_bytes = row_bytes_of(tensor.type, n_in), to_bytes = row_bytes_of(type, n_in);
    piece_.resize(std::max<size_t>(piece_.size(), n_rows * to_bytes));
    std::mutex mutex;
    Status first_error;
    const auto chunk = static_cast<int64_t>(std::max<uint64_t>(1, kTaskValues / n_in));
    pool_.parallel_for(static_cast<int64_t>(n_rows), chunk, [&](int64_t begin, int64_t end) {
      std::vector<float> values(n_in);
      for (auto row = static_cast<uint64_t>(begin); row < static_cast<uint64_t>(end); ++row) {
        const std::byte* from = source.data() + row * from_bytes;
        Status status = dequantize(tensor.type, from, values.data(), n_in);
        if (status.is_ok()) status = check(type, values);
        const uint64_t part = (first_row + row) / tensor.dims[1];
        const float* w = weights_.empty() ? nullptr : weights_.data() + part * n_in;
        if (status.is_ok()) status = quantize(type, values.data(), piece_.data() + row * to_bytes, n_in, w);
        if (status.is_ok()) continue;
        const std::lock_guard lock(mutex);
        if (first_error.is_ok()) {
          first_error = status.with_context("tensor " + tensor.name + " row " + std::to_string(first_row + row));
        }
        return;
      }
    });
    return first_error;
  }

  // The block formats look for themselves; 16-bit floats would turn what is too large into infinities.
  static Status check(TensorType type, const std::vector<float>& values) {
    const float limit = type == TensorType::kF16 ? 65504.0F : 3.3e38F;
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::fabs(values[i]) <= limit) continue;
      return {ErrorCode::kInvalidArgument, "value " + std::to_string(i) + " is not finite or too large for " +
                                               std::string(gguf::tensor_type_info(type).name)};
    }
    return Status::ok();
  }

  const gguf::File& file_;
  const QuantizeOptions options_;
  ThreadPool pool_;
  uint64_t bytes_done_ = 0, bytes_total_ = 0;
  std::vector<std::byte> read_, piece_;
  std::vector<float> weights_;  // of the tensor at hand, [n_parts][n_in] or empty
};

// Rounding what was rounded before loses more than rounding once.
Status check_sources(const gguf::File& file, const std::vector<TensorType>& types) {
  size_t n_rounded = 0;
  const gguf::Tensor* first = nullptr;
  for (size_t i = 0; i < types.size(); ++i) {
    const gguf::Tensor& tensor = file.tensors()[i];
    if (types[i] == tensor.type || is_float(tensor.type)) continue;
    if (n_rounded++ == 0) first = &tensor;
  }
  if (first == nullptr) return Status::ok();
  return {ErrorCode::kInvalidArgument,
          "quantize " + file.name() + ": " + std::to_string(n_rounded) + " tensors are quantized already (" +
              first->name + ": " + std::string(gguf::tensor_type_info(first->type).name) +
              "); quantizing them again loses quality and must be allowed (--allow-requantize)"};
}

// Error: the first tensor whose type loses too much where all inputs count the same.
Status check_importance(const gguf::File& file, const Mix& mix, const std::vector<TensorType>& types,
                        const Importance* importance) {
  for (size_t i = 0; i < types.size(); ++i) {
    const gguf::Tensor& tensor = file.tensors()[i];
    if (types[i] == tensor.type || !needs_importance(tensor, mix, types[i])) continue;
    bool is_known = false;
    if (importance != nullptr) {
      DA_ASSIGN_OR_RETURN(const std::vector<float> weights, importance->weights(tensor));
      is_known = !weights.empty();
    }
    if (is_known) continue;
    return {ErrorCode::kInvalidArgument,
            "quantize " + file.name() + " to " + std::string(mix.name) + ": tensor " + tensor.name + " would be " +
                std::string(gguf::tensor_type_info(types[i]).name) +
                ", which is of no use without an importance matrix" +
                (importance == nullptr ? " (--imatrix)" : "; the one given does not know this tensor")};
  }
  return Status::ok();
}

uint32_t alignment_of(const gguf::File& file) {
  return file.alignment() <= (uint32_t{1} << 20) ? static_cast<uint32_t>(file.alignment()) : 32;
}

}  // namespace

Result<std::unique_ptr<gguf::Writer>> model_writer(const gguf::File& file, const Mix* mix,
                                                   const QuantizeOptions& options) {
  std::vector<TensorType> types;
  for (const gguf::Tensor& tensor : file.tensors()) types.push_back(tensor.type);
  if (mix != nullptr) {
    DA_ASSIGN_OR_RETURN(types, choose_types(file, *mix, options.importance != nullptr));
    DA_RETURN_IF_ERROR(check_importance(file, *mix, types, options.importance));
    if (!options.allow_requantize) DA_RETURN_IF_ERROR(check_sources(file, types));
  }
  auto writer = std::make_unique<gguf::Writer>(alignment_of(file));
  for (const gguf::KeyValue& entry : file.metadata()) {
    const bool replaced =
        mix != nullptr && (entry.key == "general.file_type" || entry.key == "general.quantization_version" ||
                           entry.key.starts_with("quantize.imatrix."));
    if (!replaced && entry.key != "general.alignment" && !gguf::is_split_key(entry.key)) {
      writer->add(entry.key, entry.value);
    }
  }
  if (mix != nullptr) {
    writer->add_uint32("general.quantization_version", 2);
    writer->add_uint32("general.file_type", mix->file_type);
    if (options.importance != nullptr)
      writer->add_int32("quantize.imatrix.entries_count", static_cast<int32_t>(options.importance->n_entries()));
  }
  const auto converter = std::make_shared<Converter>(file, options);
  for (size_t i = 0; i < types.size(); ++i) {
    const gguf::Tensor& tensor = file.tensors()[i];
    writer->add_tensor(
        tensor.name, types[i], std::span(tensor.dims.data(), tensor.n_dims),
        [converter, &tensor, type = types[i]](const gguf::Sink& sink) { return converter->write(tensor, type, sink); });
  }
  return writer;
}

}  // namespace da::quant
