// Opening a model: its file, or all parts of a split one, and how parts become one File.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/unique_fd.h"
#include "gguf/dialect.h"
#include "gguf/gguf.h"
#include "gguf/parser.h"
#include "gguf/parts.h"

namespace da::gguf {
namespace {

constexpr std::string_view kNumber = "split.no", kCount = "split.count", kTensors = "split.tensors.count";

std::string part_suffix(uint64_t number, uint64_t count) {
  const auto digits = [](uint64_t value) {
    const std::string text = std::to_string(value);
    return std::string(text.size() < 5 ? 5 - text.size() : 0, '0') + text;
  };
  return "-" + digits(number) + "-of-" + digits(count) + ".gguf";
}

// The path without its "-00001-of-00003.gguf", if that is how the first of `count` parts is named.
Result<std::string> path_stem(const std::string& path, uint64_t count) {
  const std::string suffix = part_suffix(1, count);
  if (path.ends_with(suffix)) return path.substr(0, path.size() - suffix.size());
  return Status(ErrorCode::kInvalidArgument, "open " + path + ": a model in " + std::to_string(count) +
                                                 " parts, expected its first part, named …" + suffix);
}

Status check_count(uint64_t count, const std::string& name) {
  if (count >= 1 && count <= kMaxParts) return Status::ok();
  return {ErrorCode::kCorruptData, "read " + name + ": key \"split.count\": expected 1 to " +
                                       std::to_string(kMaxParts) + ", found " + std::to_string(count)};
}

// Bit for bit: a NaN is the same as itself.
bool same_number(double a, double b) { return __builtin_bit_cast(uint64_t, a) == __builtin_bit_cast(uint64_t, b); }

bool same_array(const Array& a, const Array& b) {
  if (a.element_type != b.element_type || a.strings != b.strings || a.integers != b.integers ||
      a.arrays.size() != b.arrays.size() ||
      !std::equal(a.floats.begin(), a.floats.end(), b.floats.begin(), b.floats.end(), same_number)) {
    return false;
  }
  for (size_t i = 0; i < a.arrays.size(); ++i) {
    if (!same_array(*a.arrays[i], *b.arrays[i])) return false;
  }
  return true;
}

bool same_value(const Value& a, const Value& b) {
  if (a.type != b.type) return false;
  const auto* array_a = std::get_if<std::shared_ptr<Array>>(&a.data);
  if (const auto* number = std::get_if<double>(&a.data)) return same_number(*number, std::get<double>(b.data));
  if (array_a == nullptr) return a.data == b.data;
  return same_array(**array_a, *std::get<std::shared_ptr<Array>>(b.data));
}

Result<UniqueFd> open_to_read(const std::string& path) {
  // Non-blocking so that a FIFO cannot hang us; it is refused when its kind is known.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.valid()) return fd;
  const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return Status(code, "open " + path + ": " + std::strerror(errno));
}

}  // namespace

// Checks that files are the parts of one model and makes one File of them.
class PartJoiner {
 public:
  // A mapping outlives the descriptor it was made from; a file that is read piece by piece needs one of its own.
  static Result<std::unique_ptr<File>> map(int fd, const std::string& name) {
    DA_ASSIGN_OR_RETURN(MappedFile mapping, MappedFile::from_fd(fd, name));
    DA_ASSIGN_OR_RETURN(std::unique_ptr<File> file, Parser::parse(mapping.bytes(), name));
    file->mappings_.push_back(std::move(mapping));
    return file;
  }
  static Result<std::unique_ptr<File>> header(int fd, const std::string& name) {
    UniqueFd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!own.valid()) return Status(ErrorCode::kIo, "open " + name + ": " + std::strerror(errno));
    DA_ASSIGN_OR_RETURN(std::unique_ptr<File> file, Parser::read_header(fd, name));
    file->readers_.push_back(std::move(own));
    return file;
  }

  // A file that is no part is joined to itself.
  static Result<std::unique_ptr<File>> join(std::vector<std::unique_ptr<File>> parts) {
    File& first = *parts[0];
    DA_ASSIGN_OR_RETURN(const uint64_t count, first.get_uint_or(kCount, 1));
    DA_RETURN_IF_ERROR(check_count(count, first.name()));
    if (count != parts.size()) {
      return {ErrorCode::kCorruptData, "read " + first.name() + ": the model has " + std::to_string(count) +
                                           " parts (split.count), found " + std::to_string(parts.size())};
    }
    for (size_t i = 0; i < parts.size(); ++i) DA_RETURN_IF_ERROR(check_part(first, *parts[i], i));
    for (size_t i = 1; i < parts.size(); ++i) absorb(first, *parts[i], static_cast<uint32_t>(i));
    DA_RETURN_IF_ERROR(index_tensors(first));
    DA_ASSIGN_OR_RETURN(const uint64_t n_tensors, first.get_uint_or(kTensors, first.tensors_.size()));
    if (n_tensors != first.tensors_.size()) {
      return {ErrorCode::kCorruptData, "read " + first.name() + ": key \"split.tensors.count\": expected " +
                                           std::to_string(first.tensors_.size()) +
                                           ", the number of tensors in all parts, found " + std::to_string(n_tensors)};
    }
    DA_RETURN_IF_ERROR(adopt_dialect(first));
    return std::move(parts[0]);
  }

 private:
  static Status check_part(const File& first, const File& part, size_t part_idx) {
    const auto differs = [&](std::string_view key, const std::string& what) {
      return Status(ErrorCode::kCorruptData, "read " + part.name() + ": not part " + std::to_string(part_idx + 1) +
                                                 " of the model of " + first.name() + ": key " +
                                                 quote_for_message(key) + " " + what);
    };
    DA_ASSIGN_OR_RETURN(const uint64_t number, part.get_uint_or(kNumber, 0));
    if (number != part_idx) {
      return differs(kNumber, "expected " + std::to_string(part_idx) + ", found " + std::to_string(number));
    }
    for (const std::string_view key : {kCount, kTensors}) {
      if ((first.find(key) == nullptr) != (part.find(key) == nullptr)) return differs(key, "is not in both");
    }
    for (const KeyValue& entry : part.metadata()) {
      const Value* value = first.find(entry.key);
      if (entry.key != kNumber && value != nullptr && !same_value(*value, entry.value)) {
        return differs(entry.key, "has another value");
      }
    }
    return Status::ok();
  }

  // Metadata stays that of the first part, which has all of it.
  static void absorb(File& first, File& part, uint32_t part_idx) {
    first.size_bytes_ += part.size_bytes_;
    for (MappedFile& mapping : part.mappings_) first.mappings_.push_back(std::move(mapping));
    for (std::vector<std::byte>& header : part.headers_) first.headers_.push_back(std::move(header));
    for (UniqueFd& reader : part.readers_) first.readers_.push_back(std::move(reader));
    for (Tensor& tensor : part.tensors_) {
      tensor.part_idx = part_idx;
      first.tensors_.push_back(std::move(tensor));
    }
  }

  // The index views the names, so it is made when the vector no longer moves.
  static Status index_tensors(File& file) {
    file.tensor_index_.clear();
    file.tensor_index_.reserve(file.tensors_.size());
    for (size_t i = 0; i < file.tensors_.size(); ++i) {
      if (!file.tensor_index_.emplace(file.tensors_[i].name, i).second) {
        return {ErrorCode::kCorruptData,
                "read " + file.name() + ": tensor " + quote_for_message(file.tensors_[i].name) + " occurs twice"};
      }
    }
    return Status::ok();
  }
};

namespace {

// `read` makes a File of a descriptor and a name; the parts beside the first are found by their names.
template <class Read>
Result<std::unique_ptr<File>> open_parts(const std::string& path, const Read& read) {
  std::vector<std::unique_ptr<File>> parts;
  const auto open_part = [&](const std::string& part_path) -> Status {
    DA_ASSIGN_OR_RETURN(const UniqueFd fd, open_to_read(part_path));
    DA_ASSIGN_OR_RETURN(std::unique_ptr<File> part, read(fd.get(), part_path));
    parts.push_back(std::move(part));
    return Status::ok();
  };
  DA_RETURN_IF_ERROR(open_part(path));
  DA_ASSIGN_OR_RETURN(const uint64_t count, parts[0]->get_uint_or(kCount, 1));
  DA_RETURN_IF_ERROR(check_count(count, path));
  if (count > 1) {
    DA_ASSIGN_OR_RETURN(const std::string stem, path_stem(path, count));
    for (uint64_t number = 2; number <= count; ++number) {
      Status status = open_part(stem + part_suffix(number, count));
      if (!status.is_ok())
        return status.with_context("part " + std::to_string(number) + " of " + std::to_string(count));
    }
  }
  return PartJoiner::join(std::move(parts));
}

// The same of descriptors that stay the caller's.
template <class Read>
Result<std::unique_ptr<File>> open_descriptors(std::span<const int> fds, const std::string& name, const Read& read) {
  DA_CHECK(!fds.empty());
  std::vector<std::unique_ptr<File>> parts;
  for (const int fd : fds) {
    const std::string part = fds.size() == 1 ? name : name + " part " + std::to_string(parts.size() + 1);
    DA_ASSIGN_OR_RETURN(std::unique_ptr<File> file, read(fd, part));
    parts.push_back(std::move(file));
  }
  return PartJoiner::join(std::move(parts));
}

}  // namespace

std::vector<std::string> part_paths(const std::string& path) {
  // -NNNNN-of-NNNNN.gguf
  constexpr size_t kSuffixBytes = 20;
  uint64_t count = 0;
  if (path.size() > kSuffixBytes) {
    const char* digits = path.data() + path.size() - 10;
    const auto [end, error] = std::from_chars(digits, digits + 5, count);
    if (error != std::errc() || end != digits + 5) count = 0;
  }
  if (count < 2 || count > kMaxParts || !path.ends_with(part_suffix(1, count))) return {path};
  const std::string stem = path.substr(0, path.size() - kSuffixBytes);
  std::vector<std::string> paths;
  for (uint64_t number = 1; number <= count; ++number) paths.push_back(stem + part_suffix(number, count));
  return paths;
}

Result<std::unique_ptr<File>> File::open(const std::string& path) { return open_parts(path, PartJoiner::map); }

Result<std::unique_ptr<File>> File::open_header(const std::string& path) {
  return open_parts(path, PartJoiner::header);
}

Result<std::unique_ptr<File>> File::open_fds(std::span<const int> fds, const std::string& name) {
  return open_descriptors(fds, name, PartJoiner::map);
}

Result<std::unique_ptr<File>> File::open_header_fds(std::span<const int> fds, const std::string& name) {
  return open_descriptors(fds, name, PartJoiner::header);
}

Result<std::unique_ptr<File>> File::parse_parts(std::span<const std::span<const std::byte>> parts,
                                                const std::string& name) {
  DA_CHECK(!parts.empty());
  std::vector<std::unique_ptr<File>> files;
  for (const std::span<const std::byte> bytes : parts) {
    const std::string part = parts.size() == 1 ? name : name + " part " + std::to_string(files.size() + 1);
    DA_ASSIGN_OR_RETURN(std::unique_ptr<File> file, Parser::parse(bytes, part));
    files.push_back(std::move(file));
  }
  return PartJoiner::join(std::move(files));
}

}  // namespace da::gguf
