#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/gguf.h"

namespace da::gguf {

// Takes the next bytes of something.
using Sink = std::function<Status(std::span<const std::byte>)>;
// Gives a tensor's bytes to a sink, in pieces of any size.
using TensorSource = std::function<Status(const Sink& sink)>;

// Builds a GGUF file, version 3: keys and tensors in the order they were added. The first mistake (a key or tensor
// twice, a shape that does not fit the bytes) is kept and returned by serialize() and write(). Not thread-safe.
class Writer {
 public:
  // `alignment_bytes`: a power of two from 8 on; other than 32 it is written as general.alignment.
  explicit Writer(uint32_t alignment_bytes = 32);

  void add_uint32(std::string_view key, uint32_t value);
  void add_int32(std::string_view key, int32_t value);
  void add_uint64(std::string_view key, uint64_t value);
  void add_float32(std::string_view key, float value);
  void add_bool(std::string_view key, bool value);
  void add_string(std::string_view key, std::string_view value);
  void add_strings(std::string_view key, std::span<const std::string> values);
  void add_int32s(std::string_view key, std::span<const int32_t> values);
  void add_float32s(std::string_view key, std::span<const float> values);
  void add_bools(std::string_view key, const std::vector<bool>& values);
  // Any value, in its own type: copies metadata from one file to another.
  void add(std::string_view key, const Value& value);

  // `dims` fastest first, 1 to 4 of them. `data` must outlive the last serialize() or write().
  void add_tensor(std::string_view name, TensorType type, std::span<const uint64_t> dims,
                  std::span<const std::byte> data);
  void add_tensor(std::string_view name, TensorType type, std::initializer_list<uint64_t> dims,
                  std::span<const std::byte> data) {
    add_tensor(name, type, std::span(dims.begin(), dims.size()), data);
  }
  // `source` is called when the file is written, once each time: big files pass through little memory. Bytes other than
  // the type and the shape want are an error, as is its own.
  void add_tensor(std::string_view name, TensorType type, std::span<const uint64_t> dims, TensorSource source);
  // A float32 tensor of which the writer keeps a copy.
  void add_tensor_f32(std::string_view name, std::initializer_list<uint64_t> dims, std::span<const float> values);

  // The whole file in memory. Errors: kInvalidArgument.
  Result<std::string> serialize() const;
  // The whole file, piece by piece. Errors: kInvalidArgument, those of sink and sources.
  Status write_to(const Sink& sink) const;
  // Writes beside `path`, syncs, and renames: `path` is the old file or the whole new one. Errors: those of write_to;
  // kResourceExhausted if the disk is too small (looked at before the first byte), kIo.
  Status write(const std::string& path) const;
  uint64_t size_bytes() const;  // of the file

 private:
  struct PendingTensor {
    std::string name;
    TensorType type;
    std::vector<uint64_t> dims;
    uint64_t size_bytes;
    TensorSource source;
  };

  template <class T>
  void put(T value);
  void put_string(std::string_view text);
  void put_value(const Value& value);
  void put_array(const Array& array);
  void begin_key(std::string_view key, ValueType type);
  void begin_array(std::string_view key, ValueType element_type, size_t count);
  void fail(std::string message);
  Status check() const;
  std::string header() const;

  uint32_t alignment_bytes_;
  uint64_t n_keys_ = 0;
  std::string metadata_;  // encoded keys and values
  std::vector<std::string> keys_;
  std::vector<PendingTensor> tensors_;
  std::list<std::vector<float>> copies_;  // a list: the tensors view the elements
  Status status_;
};

}  // namespace da::gguf
