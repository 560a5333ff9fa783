#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "gguf/parser.h"

namespace da::gguf {

// Nobody knows how long a header is before it is read: more and more is, until it is whole.
Result<std::unique_ptr<File>> Parser::read_header(int fd, const std::string& name) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return Status(ErrorCode::kIo, "stat " + name + ": " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) {
    return Status(ErrorCode::kInvalidArgument, "open " + name + ": expected a regular file");
  }
  const auto file_bytes = static_cast<uint64_t>(info.st_size);
  std::vector<std::byte> bytes;
  for (uint64_t wanted = uint64_t{1} << 20;; wanted *= 4) {
    size_t n_read = bytes.size();
    bytes.resize(std::min({wanted, file_bytes, kMaxHeaderBytes}));
    while (n_read < bytes.size()) {
      const ssize_t got = pread(fd, bytes.data() + n_read, bytes.size() - n_read, static_cast<off_t>(n_read));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Status(ErrorCode::kIo, "read " + name + ": " + std::strerror(errno));
      if (got == 0) return Status(ErrorCode::kIo, "read " + name + ": the file shrank while it was read");
      n_read += static_cast<size_t>(got);
    }
    std::unique_ptr<File> file(new File());
    file->size_bytes_ = file_bytes;
    file->name_ = name;
    Parser parser(*file, bytes, file_bytes);
    parser.header_only_ = true;
    Status status = parser.run();
    if (status.is_ok()) {
      file->headers_.push_back(std::move(bytes));
      return file;
    }
    if (!parser.ran_out_) return status;
    if (bytes.size() >= kMaxHeaderBytes) {
      return parser.error("header is larger than " + std::to_string(kMaxHeaderBytes) + " bytes");
    }
  }
}

}  // namespace da::gguf
