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
#include "base/unique_fd.h"
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
  std::span<const std::byte> data;  // in the mapped file; empty after open_header()
  uint32_t part_idx = 0;            // of a split model; its data begins there at
  uint64_t file_offset = 0;
  uint64_t n_values() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
};

struct KeyValue {
  std::string_view key;
  Value value;
};

// A validated GGUF file (v2 or v3, little-endian), mapped read-only. Every count, length, type, shape and offset was
// checked against the file's size before use; limits: key 64 KiB, string 16 MiB, metadata 256 MiB, 10^5 keys, 10^6
// tensors, arrays no longer than the bytes left. Immutable, safe to share between threads.
//
// A model split into parts (NAME-00001-of-00003.gguf and so on) is one File: the first part's metadata, all parts'
// tensors. Parts must be complete, in order, and agree in every key they share.
//
// What Ollama's converter wrote in its own way is read as if it were in the published form (dialect.h).
class File {
 public:
  // Errors: kNotFound, kIo, kCorruptData (names the key or tensor, expected and found), kUnsupported (v1, big-endian).
  // With the path of a split model's first part: opens the others beside it.
  static Result<std::unique_ptr<File>> open(const std::string& path);
  // The same, read and not mapped: a file that shrinks meanwhile cannot hurt the process. Tensors have no data; read()
  // gets it.
  static Result<std::unique_ptr<File>> open_header(const std::string& path);
  static Result<std::unique_ptr<File>> open_header_fds(std::span<const int> fds, const std::string& name);
  // From descriptors the caller keeps, one a part; `name` is for messages.
  static Result<std::unique_ptr<File>> open_fds(std::span<const int> fds, const std::string& name);
  static Result<std::unique_ptr<File>> open_fd(int fd, const std::string& name) { return open_fds({&fd, 1}, name); }
  // From memory that outlives the File (tests, fuzzing), one span a part.
  static Result<std::unique_ptr<File>> parse_parts(std::span<const std::span<const std::byte>> parts,
                                                   const std::string& name);
  static Result<std::unique_ptr<File>> parse(std::span<const std::byte> bytes, const std::string& name) {
    return parse_parts({&bytes, 1}, name);
  }

  const std::string& name() const { return name_; }
  uint32_t version() const { return version_; }
  uint64_t size_bytes() const { return size_bytes_; }  // of all parts
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
  // Bytes of a tensor's data from `offset` on, however the file was opened. Errors: kIo, also where the file has become
  // shorter.
  Status read(const Tensor& tensor, uint64_t offset, std::span<std::byte> out) const;
  std::string_view architecture() const { return architecture_; }  // general.architecture, "" if absent

 private:
  friend class Parser;
  friend class PartJoiner;
  friend class DialectAdopter;
  File() = default;

  std::vector<MappedFile> mappings_;                            // one a part; none after parse() and open_header()
  std::vector<std::vector<std::byte>> headers_;                 // what open_header() read, one a part
  std::vector<UniqueFd> readers_;                               // of open_header(), one a part
  std::vector<std::unique_ptr<const std::string>> made_names_;  // of keys, see dialect.h
  std::string name_;
  uint64_t size_bytes_ = 0;
  std::string_view architecture_;
  uint32_t version_ = 0;
  uint64_t alignment_ = 32;
  std::vector<KeyValue> metadata_;
  std::vector<Tensor> tensors_;
  std::unordered_map<std::string_view, size_t> key_index_, tensor_index_;
};

}  // namespace da::gguf
