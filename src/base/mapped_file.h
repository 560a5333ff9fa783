#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"

namespace da {

// A regular file mapped read-only. Move-only; unmapped on destruction.
class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  // Errors: kNotFound, kIo; kInvalidArgument if `path` is no regular file (directory, FIFO, device).
  static Result<MappedFile> open(const std::string& path);
  static Result<MappedFile> from_fd(int fd, const std::string& name);

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(address_), size_bytes_}; }

 private:
  void* address_ = nullptr;
  size_t size_bytes_ = 0;
};

}  // namespace da
