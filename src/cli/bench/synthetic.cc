#include "cli/bench/synthetic.h"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "base/cpu_limits.h"
#include "base/thread_pool.h"
#include "cli/bench/synthetic_vocabulary.h"
#include "gguf/writer.h"
#include "quant/mix.h"
#include "quant/quant.h"

namespace da::cli::bench {
namespace {

using gguf::TensorType;

struct Shape {
  std::string_view name, architecture;
  uint32_t n_layers, n_embd, n_ff, n_heads, n_kv_heads, head_dim, n_vocab;
  bool tied, head_norms;
  float rope_base;
};

constexpr Shape kShapes[] = {
    {"tiny", "llama", 4, 256, 768, 8, 4, 32, 2048, true, false, 10000.0F},
    {"llama3.2-1b", "llama", 16, 2048, 8192, 32, 8, 64, 128256, true, false, 500000.0F},
    {"llama3.2-3b", "llama", 28, 3072, 8192, 24, 8, 128, 128256, true, false, 500000.0F},
    {"llama3-8b", "llama", 32, 4096, 14336, 32, 8, 128, 128256, false, false, 500000.0F},
    {"mistral-7b", "llama", 32, 4096, 14336, 32, 8, 128, 32768, false, false, 1000000.0F},
    {"qwen3-0.6b", "qwen3", 28, 1024, 3072, 16, 8, 128, 151936, true, true, 1000000.0F},
    {"qwen3-1.7b", "qwen3", 28, 2048, 6144, 16, 8, 128, 151936, true, true, 1000000.0F},
    {"qwen3-4b", "qwen3", 36, 2560, 9728, 32, 8, 128, 151936, true, true, 1000000.0F},
    {"qwen3-8b", "qwen3", 36, 4096, 12288, 32, 8, 128, 151936, false, true, 1000000.0F},
};

// Deep contexts can be measured on every shape, whatever its model was trained for.
constexpr uint32_t kContextTokens = 131072;

struct TensorPlan {
  std::string name;
  uint64_t n_in, n_out;  // n_out 0: a vector of ones
};

std::vector<TensorPlan> list_tensors(const Shape& s) {
  const uint64_t n_query = uint64_t{s.n_heads} * s.head_dim, n_key = uint64_t{s.n_kv_heads} * s.head_dim;
  std::vector<TensorPlan> list = {{"token_embd.weight", s.n_embd, s.n_vocab}};
  for (uint32_t layer_idx = 0; layer_idx < s.n_layers; ++layer_idx) {
    const std::string prefix = "blk." + std::to_string(layer_idx) + ".";
    list.push_back({prefix + "attn_norm.weight", s.n_embd, 0});
    list.push_back({prefix + "attn_q.weight", s.n_embd, n_query});
    list.push_back({prefix + "attn_k.weight", s.n_embd, n_key});
    list.push_back({prefix + "attn_v.weight", s.n_embd, n_key});
    if (s.head_norms) list.push_back({prefix + "attn_q_norm.weight", s.head_dim, 0});
    if (s.head_norms) list.push_back({prefix + "attn_k_norm.weight", s.head_dim, 0});
    list.push_back({prefix + "attn_output.weight", n_query, s.n_embd});
    list.push_back({prefix + "ffn_norm.weight", s.n_embd, 0});
    list.push_back({prefix + "ffn_gate.weight", s.n_embd, s.n_ff});
    list.push_back({prefix + "ffn_up.weight", s.n_embd, s.n_ff});
    list.push_back({prefix + "ffn_down.weight", s.n_ff, s.n_embd});
  }
  list.push_back({"output_norm.weight", s.n_embd, 0});
  if (!s.tied) list.push_back({"output.weight", s.n_embd, s.n_vocab});
  return list;
}

void add_sizes(const Shape& s, gguf::Writer& writer) {
  const std::string prefix = std::string(s.architecture) + ".";
  writer.add_string("general.architecture", s.architecture);
  writer.add_string("general.name", "random weights, shape " + std::string(s.name));
  writer.add_uint32(prefix + "block_count", s.n_layers);
  writer.add_uint32(prefix + "context_length", kContextTokens);
  writer.add_uint32(prefix + "embedding_length", s.n_embd);
  writer.add_uint32(prefix + "feed_forward_length", s.n_ff);
  writer.add_uint32(prefix + "attention.head_count", s.n_heads);
  writer.add_uint32(prefix + "attention.head_count_kv", s.n_kv_heads);
  writer.add_uint32(prefix + "attention.key_length", s.head_dim);
  writer.add_uint32(prefix + "attention.value_length", s.head_dim);
  writer.add_float32(prefix + "attention.layer_norm_rms_epsilon", 1e-5F);
  writer.add_uint32(prefix + "rope.dimension_count", s.head_dim);
  writer.add_float32(prefix + "rope.freq_base", s.rope_base);
  writer.add_uint32(prefix + "vocab_size", s.n_vocab);
}

// The mix looks at names, widths and keys only: two rows of each matrix are enough to ask it.
Result<std::vector<TensorType>> choose_types(const Shape& shape, const std::vector<TensorPlan>& plan,
                                             const quant::Mix& mix) {
  gguf::Writer writer;
  add_sizes(shape, writer);
  const std::vector<std::byte> zeros(2 * sizeof(float) * 65536);
  for (const TensorPlan& tensor : plan) {
    const uint64_t n_rows = tensor.n_out == 0 ? 1 : 2;
    const auto data = std::span(zeros).first(n_rows * tensor.n_in * sizeof(float));
    tensor.n_out == 0 ? writer.add_tensor(tensor.name, TensorType::kF32, {tensor.n_in}, data)
                      : writer.add_tensor(tensor.name, TensorType::kF32, {tensor.n_in, n_rows}, data);
  }
  DA_ASSIGN_OR_RETURN(const std::string bytes, writer.serialize());
  DA_ASSIGN_OR_RETURN(const auto file, gguf::File::parse(std::as_bytes(std::span(bytes)), std::string(shape.name)));
  return quant::choose_types(*file, mix);
}

// Rows of random blocks of one type: units of some hundred values, quantized once, put together at random.
class BlockPool {
 public:
  static constexpr uint64_t kUnitValues = 256, kUnits = 512;

  // Values are normal with variance 1 / n_in, so that products keep the size of what they multiply.
  static Result<BlockPool> make(TensorType type, uint64_t n_in) {
    BlockPool pool;
    pool.values_per_unit_ = n_in % kUnitValues == 0 ? kUnitValues : n_in;
    const auto& info = gguf::tensor_type_info(type);
    pool.unit_bytes_ = pool.values_per_unit_ / info.values_per_block * info.bytes_per_block;
    pool.bytes_.resize(pool.unit_bytes_ * kUnits);
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0.0F, 1.0F / std::sqrt(static_cast<float>(n_in)));
    std::vector<float> values(pool.values_per_unit_ * kUnits);
    for (float& value : values) value = normal(random);
    DA_RETURN_IF_ERROR(quant::quantize(type, values.data(), pool.bytes_.data(), values.size()));
    return pool;
  }

  uint64_t row_bytes(uint64_t n_in) const { return n_in / values_per_unit_ * unit_bytes_; }
  void fill(std::span<std::byte> out, uint64_t seed) const {
    for (size_t at = 0; at < out.size(); at += unit_bytes_) {
      seed = seed * 6364136223846793005U + 1442695040888963407U;
      std::memcpy(out.data() + at, bytes_.data() + (seed >> 40) % kUnits * unit_bytes_, unit_bytes_);
    }
  }

 private:
  uint64_t values_per_unit_ = 0, unit_bytes_ = 0;
  std::vector<std::byte> bytes_;
};

// Fills the matrices of one file, piece by piece, on all threads.
class Filler {
 public:
  Filler(int n_threads, std::function<bool(double)> progress)
      : threads_(n_threads > 0 ? n_threads : available_cpus()), progress_(std::move(progress)) {}

  Result<gguf::TensorSource> source(TensorType type, uint64_t n_in, uint64_t n_out) {
    const auto key = std::make_pair(type, n_in);
    if (!pools_.contains(key)) {
      DA_ASSIGN_OR_RETURN(BlockPool pool, BlockPool::make(type, n_in));
      pools_.emplace(key, std::move(pool));
    }
    const BlockPool& pool = pools_.at(key);
    const uint64_t seed = ++n_matrices_, row_bytes = pool.row_bytes(n_in);
    bytes_total_ += row_bytes * n_out;
    return gguf::TensorSource([this, &pool, seed, row_bytes, n_out](const gguf::Sink& sink) {
      return write(pool, seed, row_bytes, n_out, sink);
    });
  }

 private:
  Status write(const BlockPool& pool, uint64_t seed, uint64_t row_bytes, uint64_t n_rows, const gguf::Sink& sink) {
    constexpr uint64_t kPieceBytes = uint64_t{8} << 20;
    const uint64_t rows_per_piece = std::max<uint64_t>(1, kPieceBytes / row_bytes);
    for (uint64_t first = 0; first < n_rows; first += rows_per_piece) {
      const uint64_t n_taken = std::min(rows_per_piece, n_rows - first);
      piece_.resize(std::max<size_t>(piece_.size(), n_taken * row_bytes));
      threads_.parallel_for(static_cast<int64_t>(n_taken), 64, [&](int64_t begin, int64_t end) {
        const auto row = static_cast<uint64_t>(begin);
        pool.fill(std::span(piece_).subspan(row * row_bytes, static_cast<uint64_t>(end - begin) * row_bytes),
                  seed << 32 | (first + row));
      });
      DA_RETURN_IF_ERROR(sink(std::span(piece_).first(n_taken * row_bytes)));
      bytes_done_ += n_taken * row_bytes;
      if (progress_ && !progress_(static_cast<double>(bytes_done_) / static_cast<double>(bytes_total_)))
        return {ErrorCode::kCancelled, "bench: cancelled"};
    }
    return Status::ok();
  }

  ThreadPool threads_;
  const std::function<bool(double)> progress_;
  std::map<std::pair<TensorType, uint64_t>, BlockPool> pools_;
  std::vector<std::byte> piece_;
  uint64_t n_matrices_ = 0, bytes_done_ = 0, bytes_total_ = 0;
};

Result<const Shape*> find_shape(std::string_view name) {
  for (const Shape& shape : kShapes) {
    if (shape.name == name) return &shape;
  }
  return {ErrorCode::kInvalidArgument,
          "bench: unknown shape \"" + std::string(name) + "\"; expected SHAPE:TYPE, shapes: " + shape_names()};
}

Status io_error(const std::string& path) {
  const auto code = errno == ENOSPC ? ErrorCode::kResourceExhausted : ErrorCode::kIo;
  return {code, "write " + path + ": " + std::strerror(errno)};
}

Result<UniqueFd> open_file(const std::string& path, bool keep) {
  if (keep) {
    UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.valid()) return io_error(path);
    return file;
  }
  UniqueFd file(open(path.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
  if (file.valid()) return file;
  // A file system that knows no nameless files.
  std::string name = path + "/deepanalyze-bench-XXXXXX";
  file = UniqueFd(mkostemp(name.data(), O_CLOEXEC));
  if (!file.valid()) return io_error(name);
  unlink(name.c_str());
  return file;
}

Status check_space(int fd, const std::string& path, uint64_t bytes) {
  struct statvfs info {};
  if (fstatvfs(fd, &info) != 0) return io_error(path);
  const uint64_t free_bytes = uint64_t{info.f_bavail} * info.f_frsize;
  if (bytes <= free_bytes) return Status::ok();
  return {ErrorCode::kResourceExhausted, "write " + path + ": the model has " + std::to_string(bytes >> 20) +
                                             " MiB, free are " + std::to_string(free_bytes >> 20) +
                                             " MiB (--folder names another place)"};
}

Status write_all(int fd, const std::string& path, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(path);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return Status::ok();
}

}  // namespace

std::string shape_names() {
  std::string names;
  for (const Shape& shape : kShapes) names += (names.empty() ? "" : ", ") + std::string(shape.name);
  return names;
}

Result<UniqueFd> write_synthetic(const SyntheticOptions& options) {
  const size_t colon = options.spec.find(':');
  DA_ASSIGN_OR_RETURN(const Shape* shape, find_shape(std::string_view(options.spec).substr(0, colon)));
  DA_ASSIGN_OR_RETURN(const quant::Mix* mix,
                      quant::find_mix(colon == std::string::npos ? "" : options.spec.substr(colon + 1)));
  const std::vector<TensorPlan> plan = list_tensors(*shape);
  DA_ASSIGN_OR_RETURN(const std::vector<TensorType> types, choose_types(*shape, plan, *mix));

  gguf::Writer writer;
  add_sizes(*shape, writer);
  writer.add_uint32("general.quantization_version", 2);
  writer.add_uint32("general.file_type", mix->file_type);
  add_vocabulary(shape->n_vocab, writer);
  Filler filler(options.n_threads, options.progress);
  for (size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].n_out == 0) {
      writer.add_tensor_f32(plan[i].name, {plan[i].n_in}, std::vector<float>(plan[i].n_in, 1.0F));
      continue;
    }
    DA_ASSIGN_OR_RETURN(gguf::TensorSource source, filler.source(types[i], plan[i].n_in, plan[i].n_out));
    const uint64_t dims[] = {plan[i].n_in, plan[i].n_out};
    writer.add_tensor(plan[i].name, types[i], dims, std::move(source));
  }

  const char* temporary = std::getenv("TMPDIR");
  std::string path = options.keep;
  if (path.empty()) path = options.folder;
  if (path.empty()) path = temporary != nullptr ? temporary : "/tmp";
  DA_ASSIGN_OR_RETURN(UniqueFd file, open_file(path, !options.keep.empty()));
  Status status = check_space(file.get(), path, writer.size_bytes());
  if (status.is_ok())
    status = writer.write_to([&](std::span<const std::byte> bytes) { return write_all(file.get(), path, bytes); });
  if (!status.is_ok() && !options.keep.empty()) unlink(path.c_str());
  DA_RETURN_IF_ERROR(status);
  return file;
}

}  // namespace da::cli::bench
