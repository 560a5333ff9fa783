#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/mapped_file.h"
#include "base/result.h"
#include "gguf/gguf.h"

namespace da::gguf {

// Limits of what a file may ask of us; files in the wild stay far below.
inline constexpr uint64_t kMaxKeyBytes = uint64_t{64} << 10;
inline constexpr uint64_t kMaxStringBytes = uint64_t{16} << 20;
inline constexpr uint64_t kMaxMetadataBytes = uint64_t{256} << 20;  // in the file, and again decoded
inline constexpr uint64_t kMaxKeys = 100'000;
inline constexpr uint64_t kMaxTensors = 1'000'000;
inline constexpr uint64_t kMaxHeaderBytes = uint64_t{512} << 20;  // metadata and tensor infos, for read_header()
inline constexpr int kMaxArrayDepth = 4;
inline constexpr uint64_t kMinAlignment = 8;  // the format's rule; keeps 8-byte elements aligned in the mapping

// Reads one file front to back; every read is checked against the bytes that are left.
class Parser {
 public:
  // One part of a model. `bytes` must outlive the File.
  static Result<std::unique_ptr<File>> parse(std::span<const std::byte> bytes, const std::string& name);
  // The header alone, read from a regular file into memory of the File's own.
  static Result<std::unique_ptr<File>> read_header(int fd, const std::string& name);

 private:
  Parser(File& file, std::span<const std::byte> bytes, uint64_t file_bytes)
      : file_(file), bytes_(bytes), file_bytes_(file_bytes) {}

  Status run();
  Status read_preamble();
  Status read_metadata();
  Status read_alignment();
  Status read_tensor_infos();
  Status place_tensors();

  Result<Value> read_value(uint32_t type_id, const std::string& key);
  Result<std::shared_ptr<Array>> read_array(const std::string& key, int depth);
  Status read_elements(Array& array, uint64_t count, const std::string& key, int depth);
  Result<std::string_view> read_string(uint64_t max_bytes, const std::string& what);
  Result<Tensor> read_tensor_info(uint64_t tensor_idx, uint64_t& offset);
  template <class T>
  Result<T> read(const std::string& what);

  uint64_t left() const { return bytes_.size() - position_; }
  Status error(const std::string& what) const;
  Status truncated(const std::string& what, uint64_t wanted_bytes);
  // Counts decoded metadata, so that a small file cannot grow into a large heap.
  Status charge(uint64_t decoded_bytes, const std::string& key);

  File& file_;
  std::span<const std::byte> bytes_;  // the file, or its beginning
  uint64_t file_bytes_;
  bool header_only_ = false;
  bool ran_out_ = false;  // of bytes_, not of the file
  uint64_t position_ = 0;
  uint64_t n_tensors_ = 0, n_keys_ = 0;
  uint64_t decoded_bytes_ = 0;
  std::vector<uint64_t> offsets_;  // [n_tensors], from the start of the data section
};

// Text for a message: at most 80 bytes, control characters escaped.
std::string quote_for_message(std::string_view text);

}  // namespace da::gguf
