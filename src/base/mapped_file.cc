#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/unique_fd.h"

namespace da {

MappedFile::MappedFile(MappedFile&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), size_bytes_(std::exchange(other.size_bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (address_ != nullptr) munmap(address_, size_bytes_);
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  // Non-blocking so that a FIFO cannot hang us; it is refused below.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Status(code, "open " + path + ": " + std::strerror(errno));
  }
  return from_fd(fd.get(), path);
}

Result<MappedFile> MappedFile::from_fd(int fd, const std::string& name) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return Status(ErrorCode::kIo, "stat " + name + ": " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) {
    return Status(ErrorCode::kInvalidArgument, "open " + name + ": expected a regular file");
  }
  MappedFile file;
  if (info.st_size == 0) return file;  // mmap refuses length 0
  void* address = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  if (address == MAP_FAILED) return Status(ErrorCode::kIo, "map " + name + ": " + std::strerror(errno));
  file.address_ = address;
  file.size_bytes_ = static_cast<size_t>(info.st_size);
  return file;
}

}  // namespace da
