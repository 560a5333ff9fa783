#include "gguf/gguf.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/utf8.h"
#include "gguf/parser.h"

namespace da::gguf {
namespace {

Status absent(const File& file, std::string_view key) {
  return {ErrorCode::kNotFound, "read " + file.name() + ": key " + quote_for_message(key) + " is absent"};
}

Status wrong_type(const File& file, std::string_view key, std::string_view expected, const Value& value) {
  return {ErrorCode::kCorruptData, "read " + file.name() + ": key " + quote_for_message(key) + ": expected " +
                                       std::string(expected) + ", found type " +
                                       std::to_string(static_cast<uint32_t>(value.type))};
}

}  // namespace

std::string quote_for_message(std::string_view text) {
  constexpr size_t kMaxBytes = 80;
  const bool cut = text.size() > kMaxBytes;
  if (cut) {
    text = text.substr(0, kMaxBytes);
    text.remove_suffix(utf8::incomplete_suffix(text));
  }
  std::string out = "\"";
  for (const char c : text) {
    if (const auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte == 0x7F) {
      constexpr char kHex[] = "0123456789abcdef";
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out + (cut ? "…\"" : "\"");
}

size_t Array::size() const {
  switch (element_type) {
    case ValueType::kString:
      return strings.size();
    case ValueType::kArray:
      return arrays.size();
    case ValueType::kFloat32:
    case ValueType::kFloat64:
      return floats.size();
    case ValueType::kUint8:
    case ValueType::kInt8:
    case ValueType::kUint16:
    case ValueType::kInt16:
    case ValueType::kUint32:
    case ValueType::kInt32:
    case ValueType::kBool:
    case ValueType::kUint64:
    case ValueType::kInt64:
      return integers.size();
  }
  return 0;
}

const Value* File::find(std::string_view key) const {
  const auto found = key_index_.find(key);
  return found == key_index_.end() ? nullptr : &metadata_[found->second].value;
}

const Tensor* File::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

Status File::read(const Tensor& tensor, uint64_t offset, std::span<std::byte> out) const {
  DA_CHECK(offset <= tensor.size_bytes && out.size() <= tensor.size_bytes - offset);
  if (out.empty()) return Status::ok();
  if (!tensor.data.empty()) {
    std::memcpy(out.data(), tensor.data.data() + offset, out.size());
    return Status::ok();
  }
  const auto failed = [&](const std::string& why) {
    return Status(ErrorCode::kIo, "read " + name_ + ": tensor " + quote_for_message(tensor.name) + ": " + why);
  };
  if (tensor.part_idx >= readers_.size()) return failed("opened without its data");
  for (size_t n_read = 0; n_read < out.size();) {
    const auto at = static_cast<off_t>(tensor.file_offset + offset + n_read);
    const ssize_t got = pread(readers_[tensor.part_idx].get(), out.data() + n_read, out.size() - n_read, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(std::strerror(errno));
    if (got == 0) return failed("the file has become shorter");
    n_read += static_cast<size_t>(got);
  }
  return Status::ok();
}

Result<uint64_t> File::get_uint(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return absent(*this, key);
  if (const auto* number = std::get_if<uint64_t>(&value->data)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value->data)) {
    if (*number >= 0) return static_cast<uint64_t>(*number);
    return Status(ErrorCode::kCorruptData, "read " + name_ + ": key " + quote_for_message(key) +
                                               ": expected a non-negative integer, found " + std::to_string(*number));
  }
  return wrong_type(*this, key, "a non-negative integer", *value);
}

Result<double> File::get_float(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return absent(*this, key);
  if (const auto* number = std::get_if<double>(&value->data)) return *number;
  if (const auto* number = std::get_if<uint64_t>(&value->data)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<int64_t>(&value->data)) return static_cast<double>(*number);
  return wrong_type(*this, key, "a number", *value);
}

Result<bool> File::get_bool(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return absent(*this, key);
  if (const auto* flag = std::get_if<bool>(&value->data)) return *flag;
  return wrong_type(*this, key, "a bool", *value);
}

Result<std::string_view> File::get_string(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return absent(*this, key);
  if (const auto* text = std::get_if<std::string_view>(&value->data)) return *text;
  return wrong_type(*this, key, "a string", *value);
}

Result<const Array*> File::get_array(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return absent(*this, key);
  if (const auto* array = std::get_if<std::shared_ptr<Array>>(&value->data))
    return static_cast<const Array*>(array->get());
  return wrong_type(*this, key, "an array", *value);
}

Result<uint64_t> File::get_uint_or(std::string_view key, uint64_t fallback) const {
  if (find(key) == nullptr) return fallback;
  return get_uint(key);
}

Result<double> File::get_float_or(std::string_view key, double fallback) const {
  if (find(key) == nullptr) return fallback;
  return get_float(key);
}

Result<bool> File::get_bool_or(std::string_view key, bool fallback) const {
  if (find(key) == nullptr) return fallback;
  return get_bool(key);
}

}  // namespace da::gguf
