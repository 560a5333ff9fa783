#include "gguf/writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/unique_fd.h"
#include "gguf/parser.h"

namespace da::gguf {
namespace {

uint64_t align_up(uint64_t value, uint64_t alignment) { return (value + alignment - 1) & ~(alignment - 1); }

Status errno_status(const std::string& what, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return {full ? ErrorCode::kResourceExhausted : ErrorCode::kIo, what + ": " + std::strerror(error)};
}

Status write_all(int fd, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno_status("write " + path, errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return Status::ok();
}

// A clear word before an hour of work, where the file system tells.
Status check_free_space(int fd, uint64_t needed_bytes, const std::string& path) {
  struct statvfs info {};
  if (fstatvfs(fd, &info) != 0) return Status::ok();
  const uint64_t free_bytes = uint64_t{info.f_bavail} * info.f_frsize;
  if (free_bytes >= needed_bytes) return Status::ok();
  return {ErrorCode::kResourceExhausted, "write " + path + ": needs " + std::to_string(needed_bytes) + " bytes, " +
                                             std::to_string(free_bytes) + " are free on its disk"};
}

template <class T>
void append_raw(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

}  // namespace

Writer::Writer(uint32_t alignment_bytes) : alignment_bytes_(alignment_bytes) {
  if (!std::has_single_bit(alignment_bytes) || alignment_bytes < kMinAlignment) {
    fail("alignment of " + std::to_string(alignment_bytes) + " bytes is not a power of two from 8 on");
    alignment_bytes_ = 32;
  }
  if (alignment_bytes_ != 32) add_uint32("general.alignment", alignment_bytes_);
}

void Writer::fail(std::string message) {
  if (status_.is_ok()) status_ = Status(ErrorCode::kInvalidArgument, "write GGUF: " + std::move(message));
}

template <class T>
void Writer::put(T value) {
  append_raw(metadata_, value);
}

void Writer::put_string(std::string_view text) {
  put<uint64_t>(text.size());
  metadata_.append(text);
}

void Writer::begin_key(std::string_view key, ValueType type) {
  if (key.empty()) fail("a key is empty");
  keys_.emplace_back(key);
  ++n_keys_;
  put_string(key);
  put(static_cast<uint32_t>(type));
}

void Writer::begin_array(std::string_view key, ValueType element_type, size_t count) {
  begin_key(key, ValueType::kArray);
  put(static_cast<uint32_t>(element_type));
  put<uint64_t>(count);
}

void Writer::add_uint32(std::string_view key, uint32_t value) {
  begin_key(key, ValueType::kUint32);
  put(value);
}

void Writer::add_int32(std::string_view key, int32_t value) {
  begin_key(key, ValueType::kInt32);
  put(value);
}

void Writer::add_uint64(std::string_view key, uint64_t value) {
  begin_key(key, ValueType::kUint64);
  put(value);
}

void Writer::add_float32(std::string_view key, float value) {
  begin_key(key, ValueType::kFloat32);
  put(value);
}

void Writer::add_bool(std::string_view key, bool value) {
  begin_key(key, ValueType::kBool);
  put<uint8_t>(value ? 1 : 0);
}

void Writer::add_string(std::string_view key, std::string_view value) {
  begin_key(key, ValueType::kString);
  put_string(value);
}

void Writer::add_strings(std::string_view key, std::span<const std::string> values) {
  begin_array(key, ValueType::kString, values.size());
  for (const std::string& value : values) put_string(value);
}

void Writer::add_int32s(std::string_view key, std::span<const int32_t> values) {
  begin_array(key, ValueType::kInt32, values.size());
  for (const int32_t value : values) put(value);
}

void Writer::add_float32s(std::string_view key, std::span<const float> values) {
  begin_array(key, ValueType::kFloat32, values.size());
  for (const float value : values) put(value);
}

void Writer::add_bools(std::string_view key, const std::vector<bool>& values) {
  begin_array(key, ValueType::kBool, values.size());
  for (const bool value : values) put<uint8_t>(value ? 1 : 0);
}

void Writer::add(std::string_view key, const Value& value) {
  begin_key(key, value.type);
  put_value(value);
}

void Writer::put_value(const Value& value) {
  const auto number = [&]() -> uint64_t {
    if (const auto* positive = std::get_if<uint64_t>(&value.data)) return *positive;
    if (const auto* integer = std::get_if<int64_t>(&value.data)) return static_cast<uint64_t>(*integer);
    if (const auto* flag = std::get_if<bool>(&value.data)) return *flag ? 1 : 0;
    fail("a value does not hold what its type says");
    return 0;
  };
  const auto real = [&]() -> double {
    if (const auto* held = std::get_if<double>(&value.data)) return *held;
    fail("a value does not hold what its type says");
    return 0;
  };
  switch (value.type) {
    case ValueType::kUint8:
    case ValueType::kInt8:
    case ValueType::kBool:
      put(static_cast<uint8_t>(number()));
      break;
    case ValueType::kUint16:
    case ValueType::kInt16:
      put(static_cast<uint16_t>(number()));
      break;
    case ValueType::kUint32:
    case ValueType::kInt32:
      put(static_cast<uint32_t>(number()));
      break;
    case ValueType::kUint64:
    case ValueType::kInt64:
      put(number());
      break;
    case ValueType::kFloat32:
      put(static_cast<float>(real()));
      break;
    case ValueType::kFloat64:
      put(real());
      break;
    case ValueType::kString:
      if (const auto* text = std::get_if<std::string_view>(&value.data)) {
        put_string(*text);
      } else {
        fail("a value does not hold what its type says");
      }
      break;
    case ValueType::kArray:
      if (const auto* array = std::get_if<std::shared_ptr<Array>>(&value.data); array != nullptr && *array != nullptr) {
        put_array(**array);
      } else {
        fail("a value does not hold what its type says");
      }
      break;
  }
}

// Depth is bounded where arrays come from: the parser.
void Writer::put_array(const Array& array) {
  put(static_cast<uint32_t>(array.element_type));
  put<uint64_t>(array.size());
  for (const std::string_view text : array.strings) put_string(text);
  for (const std::shared_ptr<Array>& element : array.arrays) put_array(*element);
  for (const double number : array.floats) put_value({array.element_type, number});
  for (const int64_t number : array.integers) put_value({array.element_type, number});
}

namespace {

// Bytes of a tensor, or 0 if its dimensions do not fit the type.
uint64_t tensor_bytes(const TensorTypeInfo& info, std::span<const uint64_t> dims) {
  if (dims[0] % info.values_per_block != 0) return 0;
  uint64_t bytes = info.bytes_per_block;
  for (size_t i = 0; i < dims.size(); ++i) {
    const uint64_t extent = i == 0 ? dims[0] / info.values_per_block : dims[i];
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return 0;
  }
  return bytes;
}

}  // namespace

void Writer::add_tensor(std::string_view name, TensorType type, std::span<const uint64_t> dims, TensorSource source) {
  const TensorTypeInfo& info = tensor_type_info(type);
  if (name.empty()) fail("a tensor's name is empty");
  if (dims.empty() || dims.size() > 4) {
    return fail("tensor " + quote_for_message(name) + ": expected 1 to 4 dimensions, found " +
                std::to_string(dims.size()));
  }
  const uint64_t size_bytes = tensor_bytes(info, dims);
  if (size_bytes == 0) {
    return fail("tensor " + quote_for_message(name) + ": its dimensions do not fit type " + std::string(info.name));
  }
  tensors_.push_back({std::string(name), type, {dims.begin(), dims.end()}, size_bytes, std::move(source)});
}

void Writer::add_tensor(std::string_view name, TensorType type, std::span<const uint64_t> dims,
                        std::span<const std::byte> data) {
  const size_t n_before = tensors_.size();
  add_tensor(name, type, dims, [data](const Sink& sink) { return sink(data); });
  if (tensors_.size() > n_before && tensors_.back().size_bytes != data.size()) {
    fail("tensor " + quote_for_message(name) + ": expected " + std::to_string(tensors_.back().size_bytes) +
         " bytes, found " + std::to_string(data.size()));
  }
}

void Writer::add_tensor_f32(std::string_view name, std::initializer_list<uint64_t> dims,
                            std::span<const float> values) {
  const std::vector<float>& copy = copies_.emplace_back(values.begin(), values.end());
  add_tensor(name, TensorType::kF32, dims, std::as_bytes(std::span(copy)));
}

std::string Writer::header() const {
  std::string out = "GGUF";
  append_raw<uint32_t>(out, 3);
  append_raw<uint64_t>(out, tensors_.size());
  append_raw<uint64_t>(out, n_keys_);
  out += metadata_;
  uint64_t offset = 0;
  for (const PendingTensor& tensor : tensors_) {
    append_raw<uint64_t>(out, tensor.name.size());
    out += tensor.name;
    append_raw(out, static_cast<uint32_t>(tensor.dims.size()));
    for (const uint64_t extent : tensor.dims) append_raw(out, extent);
    append_raw(out, static_cast<uint32_t>(tensor.type));
    append_raw(out, offset);
    offset = align_up(offset + tensor.size_bytes, alignment_bytes_);
  }
  out.resize(align_up(out.size(), alignment_bytes_), '\0');
  return out;
}

namespace {

Status check_distinct(const std::vector<std::string>& names, const char* kind) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) {
      return {ErrorCode::kInvalidArgument,
              "write GGUF: " + std::string(kind) + " " + quote_for_message(name) + " was added twice"};
    }
  }
  return Status::ok();
}

}  // namespace

Status Writer::check() const {
  DA_RETURN_IF_ERROR(Status(status_));
  DA_RETURN_IF_ERROR(check_distinct(keys_, "key"));
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const PendingTensor& tensor : tensors_) names.push_back(tensor.name);
  return check_distinct(names, "tensor");
}

uint64_t Writer::size_bytes() const {
  uint64_t bytes = header().size();
  for (const PendingTensor& tensor : tensors_) bytes += align_up(tensor.size_bytes, alignment_bytes_);
  return bytes;
}

Status Writer::write_to(const Sink& sink) const {
  DA_RETURN_IF_ERROR(check());
  const std::string front = header();
  DA_RETURN_IF_ERROR(sink(std::as_bytes(std::span(front))));
  const std::vector<std::byte> padding(alignment_bytes_);
  for (const PendingTensor& tensor : tensors_) {
    uint64_t n_bytes = 0;
    const auto mismatch = [&] {
      return Status(ErrorCode::kInvalidArgument, "write GGUF: tensor " + quote_for_message(tensor.name) +
                                                     ": expected " + std::to_string(tensor.size_bytes) +
                                                     " bytes, found " + std::to_string(n_bytes));
    };
    DA_RETURN_IF_ERROR(tensor.source([&](std::span<const std::byte> bytes) {
      n_bytes += bytes.size();
      return n_bytes > tensor.size_bytes ? mismatch() : sink(bytes);
    }));
    if (n_bytes != tensor.size_bytes) return mismatch();
    const uint64_t n_padding = align_up(n_bytes, alignment_bytes_) - n_bytes;
    DA_RETURN_IF_ERROR(sink(std::span(padding).first(n_padding)));
  }
  return Status::ok();
}

Result<std::string> Writer::serialize() const {
  std::string out;
  DA_RETURN_IF_ERROR(write_to([&out](std::span<const std::byte> bytes) {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return Status::ok();
  }));
  return out;
}

Status Writer::write(const std::string& path) const {
  DA_RETURN_IF_ERROR(check());
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return errno_status("create a file beside " + path, errno);
  const auto write_contents = [&]() -> Status {
    DA_RETURN_IF_ERROR(check_free_space(fd.get(), size_bytes(), path));
    DA_RETURN_IF_ERROR(write_to([&](std::span<const std::byte> bytes) { return write_all(fd.get(), bytes, path); }));
    // mkostemp makes private files; a model is as readable as the user's other files.
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd.get(), 0666 & ~mask) != 0 || fsync(fd.get()) != 0) {
      return errno_status("write " + path, errno);
    }
    if (rename(temporary.c_str(), path.c_str()) != 0) return errno_status("rename to " + path, errno);
    return Status::ok();
  };
  if (Status status = write_contents(); !status.is_ok()) {
    unlink(temporary.c_str());
    return status;
  }
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const UniqueFd folder_fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_fd.valid() || fsync(folder_fd.get()) != 0) {
    return {ErrorCode::kIo, "sync the folder of " + path + ": " + std::strerror(errno)};
  }
  return Status::ok();
}

}  // namespace da::gguf
