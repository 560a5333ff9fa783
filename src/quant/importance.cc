#include "quant/importance.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "base/mapped_file.h"
#include "base/unique_fd.h"
#include "quant/quant.h"

namespace da::quant {
namespace {

constexpr size_t kMaxEntries = 100'000, kMaxNameBytes = 1024, kMaxValues = size_t{1} << 28;

Status corrupt(const std::string& name, const std::string& what) {
  return {ErrorCode::kCorruptData, "read importance matrix " + name + ": " + what};
}

Status check_values(const std::string& name, const std::string& entry, const std::vector<float>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && values[i] >= 0) continue;
    return corrupt(name, "entry " + entry + ": value " + std::to_string(i) + " is no mean square");
  }
  return Status::ok();
}

// Reads the older form front to back, every length checked against the bytes that are left.
class ListReader {
 public:
  ListReader(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  Result<int32_t> count(const std::string& what, int64_t minimum, int64_t maximum) {
    DA_ASSIGN_OR_RETURN(const auto raw, take(sizeof(int32_t), what));
    int32_t value = 0;
    std::memcpy(&value, raw.data(), sizeof(value));
    if (value >= minimum && value <= maximum) return value;
    return corrupt(name_, what + ": found " + std::to_string(value) + ", expected " + std::to_string(minimum) + " to " +
                              std::to_string(maximum));
  }
  Result<std::span<const std::byte>> take(size_t n_bytes, const std::string& what) {
    if (n_bytes > bytes_.size() - at_) {
      return corrupt(name_, "the file ends in " + what + ": expected " + std::to_string(at_ + n_bytes) +
                                " bytes, found " + std::to_string(bytes_.size()));
    }
    const auto taken = bytes_.subspan(at_, n_bytes);
    at_ += n_bytes;
    return taken;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& name_;
  size_t at_ = 0;
};

}  // namespace

Result<Importance> Importance::open(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Status(code, "open importance matrix " + path + ": " + std::strerror(errno));
  }
  DA_ASSIGN_OR_RETURN(const MappedFile mapping, MappedFile::from_fd(fd.get(), path));
  const std::span<const std::byte> bytes = mapping.bytes();
  if (bytes.size() < 4 || std::memcmp(bytes.data(), "GGUF", 4) != 0) return from_list(bytes, path);
  DA_ASSIGN_OR_RETURN(const auto file, gguf::File::parse(bytes, path));
  return from_gguf(*file);
}

// The older form: a number of entries, and for each its name, the number of calls, and the sums of means over them.
Result<Importance> Importance::from_list(std::span<const std::byte> bytes, const std::string& path) {
  Importance out;
  out.name_ = path;
  ListReader reader(bytes, out.name_);
  DA_ASSIGN_OR_RETURN(const int32_t n_entries, reader.count("the number of entries", 1, kMaxEntries));
  for (int32_t i = 0; i < n_entries; ++i) {
    const std::string at = "entry " + std::to_string(i);
    DA_ASSIGN_OR_RETURN(const int32_t name_bytes, reader.count(at + ": the length of its name", 1, kMaxNameBytes));
    DA_ASSIGN_OR_RETURN(const auto name, reader.take(static_cast<size_t>(name_bytes), at));
    DA_ASSIGN_OR_RETURN(const int32_t n_calls, reader.count(at + ": its calls", 0, INT32_MAX));
    DA_ASSIGN_OR_RETURN(const int32_t n_values, reader.count(at + ": its values", 1, kMaxValues));
    DA_ASSIGN_OR_RETURN(const auto raw, reader.take(static_cast<size_t>(n_values) * sizeof(float), at));
    std::vector<float> values(static_cast<size_t>(n_values));
    std::memcpy(values.data(), raw.data(), raw.size());
    for (float& value : values) value /= static_cast<float>(std::max(n_calls, 1));
    const std::string key(reinterpret_cast<const char*>(name.data()), name.size());
    DA_RETURN_IF_ERROR(check_values(out.name_, std::to_string(i), values));
    if (!out.entries_.emplace(key, std::move(values)).second) return corrupt(out.name_, at + " is there twice");
  }
  return out;
}

// The newer form: for each tensor NAME.in_sum2 [parts][n_in] and NAME.counts [parts].
Result<Importance> Importance::from_gguf(const gguf::File& file) {
  constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";
  Importance out;
  out.name_ = file.name();
  for (const gguf::Tensor& sums : file.tensors()) {
    if (!sums.name.ends_with(kSums)) continue;
    const std::string name = sums.name.substr(0, sums.name.size() - kSums.size());
    const gguf::Tensor* counts = file.find_tensor(name + std::string(kCounts));
    if (counts == nullptr) return corrupt(out.name_, "tensor " + name + std::string(kCounts) + " is missing");
    if (sums.type != gguf::TensorType::kF32 || counts->type != gguf::TensorType::kF32 || sums.n_values() > kMaxValues ||
        sums.n_values() / sums.dims[0] != counts->n_values()) {
      return corrupt(out.name_, "tensors of " + name + ": expected F32 sums of rows and a count for each");
    }
    std::vector<float> values(sums.n_values()), divisors(counts->n_values());
    DA_RETURN_IF_ERROR(dequantize(sums.type, sums.data.data(), values.data(), values.size()));
    DA_RETURN_IF_ERROR(dequantize(counts->type, counts->data.data(), divisors.data(), divisors.size()));
    for (size_t i = 0; i < values.size(); ++i) {
      const float divisor = divisors[i / sums.dims[0]];
      values[i] = divisor > 0 ? values[i] / divisor : 1.0F;  // an expert that was never chosen
    }
    DA_RETURN_IF_ERROR(check_values(out.name_, name, values));
    out.entries_.emplace(name, std::move(values));
  }
  if (out.entries_.empty()) return corrupt(out.name_, "it has no tensors NAME.in_sum2: is it a model?");
  return out;
}

Result<std::vector<float>> Importance::weights(const gguf::Tensor& tensor) const {
  const auto found = entries_.find(tensor.name);
  if (found == entries_.end()) return std::vector<float>();
  std::vector<float> weights = found->second;
  const uint64_t n_in = tensor.dims[0], n_parts = tensor.dims[2] * tensor.dims[3];
  if (weights.size() != n_in * n_parts) {
    return {ErrorCode::kInvalidArgument, "importance matrix " + name_ + ": " + std::to_string(weights.size()) +
                                             " values for tensor " + tensor.name + ", expected " +
                                             std::to_string(n_in * n_parts) + ": was it made with another model?"};
  }
  for (size_t part = 0; part < n_parts; ++part) {
    float* row = weights.data() + part * n_in;
    double mean = 0;
    for (uint64_t i = 0; i < n_in; ++i) mean += static_cast<double>(row[i]) / static_cast<double>(n_in);
    // Inputs that were always 0 on the sample text will not stay so.
    for (uint64_t i = 0; i < n_in; ++i) {
      row[i] = mean > 0 ? static_cast<float>(static_cast<double>(row[i]) / mean) + 1e-3F : 1.0F;
    }
  }
  return weights;
}

}  // namespace da::quant
