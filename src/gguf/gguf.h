#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "gguf/tensor_type.h"

namespace da::gguf {

// Metadata value types by their number in the file.
enum class ValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

struct Array;
// Integers of any width are held as (u)int64, floats as double; strings view the mapped file.
struct Value {
  ValueType type = ValueType::kUint32;
  std::variant<uint64_t, int64_t, double, bool, std::string_view, std::shared_ptr<Array>> data;
};

// An array of one element type. Numbers are decoded; strings view the mapped file.
struct Array {
  ValueType element_type = ValueType::kUint32;
  std::vector<std::string_view> strings;
  std::vector<double> floats;     // float32/float64 elements
  std::vector<int64_t> integers;  // integer and bool elements (uint64 above int64's range is refused)
  std::vector<std::shared_ptr<Array>> arrays;
  size_t size() const;
};

struct Tensor {
  std::string name;
  TensorType type = TensorType::kF32;
  uint32_t n_dims = 1;
  // Extents, fastest first (GGUF order): a matrix [n_out][n_in] has dims {n_in, n_out, 1, 1}.
  std::array<uint64_t, 4> dims{1, 1, 1, 1};
  uint64_t size_bytes = 0;
  std::span<const std::byte> data;  // in the mapped file; empty when opened header-only
  uint64_t n_values() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
};

struct KeyValue {
  std::string_view key;
  Value value;
};

// A validated GGUF file (v2 or v3, little-endian), mapped read-only. Every count, length, type, shape and offset was
// checked against the file's size before use; limits: key 64 KiB, string 16 MiB, metadata 256 MiB, 10^5 keys, 10^6
// tensors, arrays no longer than the bytes left. Immutable, safe to share between threads.
class File {
 public:
  // Errors: kNotFound, kIo, kCorruptData (names the key or tensor, expected and found), kUnsupported (v1, big-endian).
  static Result<std::unique_ptr<File>> open(const std::string& path);
  // From a descriptor the caller keeps; `name` is for messages.
  static Result<std::unique_ptr<File>> open_fd(int fd, const std::string& name);
  // From memory that outlives the File (tests, fuzzing).
  static Result<std::unique_ptr<File>> parse(std::span<const std::byte> bytes, const std::string& name);

  const std::string& name() const { return name_; }
  uint32_t version() const { return version_; }
  uint64_t size_bytes() const { return bytes_.size(); }
  uint64_t alignment() const { return alignment_; }

  const std::vector<KeyValue>& metadata() const { return metadata_; }
  const Value* find(std::string_view key) const;
  // Typed look-ups: kNotFound if the key is absent, kCorruptData if it has another type (both name the key).
  Result<uint64_t> get_uint(std::string_view key) const;  // any non-negative integer type
  Result<double> get_float(std::string_view key) const;   // any number
  Result<bool> get_bool(std::string_view key) const;
  Result<std::string_view> get_string(std::string_view key) const;
  Result<const Array*> get_array(std::string_view key) const;
  // The value, or `fallback` if the key is absent; a wrong type is an error all the same.
  Result<uint64_t> get_uint_or(std::string_view key, uint64_t fallback) const;
  Result<double> get_float_or(std::string_view key, double fallback) const;
  Result<bool> get_bool_or(std::string_view key, bool fallback) const;

  const std::vector<Tensor>& tensors() const { return tensors_; }
  const Tensor* find_tensor(std::string_view name) const;
  std::string_view architecture() const { return architecture_; }  // general.architecture, "" if absent

 private:
  friend class Parser;
  File() = default;

  MappedFile mapping_;  // empty for parse()
  std::span<const std::byte> bytes_;
  std::string name_;
  std::string_view architecture_;
  uint32_t version_ = 0;
  uint64_t alignment_ = 32;
  std::vector<KeyValue> metadata_;
  std::vector<Tensor> tensors_;
  std::unordered_map<std::string_view, size_t> key_index_, tensor_index_;
};

}  // namespace da::gguf
