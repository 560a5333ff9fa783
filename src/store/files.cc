#include "store/files.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <vector>

namespace da::store {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;

Status write_all(int fd, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno_status("write", path, errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return Status::ok();
}

// Names of temporary files: digits only after "sha256-", as Ollama's, so that either server's clean-up knows them.
std::string temporary_name(const std::string& directory) {
  static std::atomic<uint64_t> counter{0};
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return directory + "/sha256-" + std::to_string(getpid()) + std::to_string(now % 1'000'000'000) +
         std::to_string(counter.fetch_add(1));
}

Result<UniqueFd> open_regular(const std::string& path, struct stat& info) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return errno_status("open", path, errno);
  if (fstat(file.get(), &info) != 0) return errno_status("stat", path, errno);
  if (!S_ISREG(info.st_mode)) return {ErrorCode::kInvalidArgument, "open " + path + ": not a regular file"};
  return file;
}

Result<std::string> hash_fd(int fd, uint64_t total, const std::string& path, const ByteProgress& progress) {
  Sha256 hash;
  std::vector<std::byte> chunk(kChunkBytes);
  uint64_t offset = 0;
  while (true) {
    const ssize_t got = pread(fd, chunk.data(), chunk.size(), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno_status("read", path, errno);
    }
    if (got == 0) break;
    hash.update(std::span(chunk.data(), static_cast<size_t>(got)));
    offset += static_cast<uint64_t>(got);
    if (progress) progress(offset, total);
  }
  return hash.finish_hex();
}

}  // namespace

Status errno_status(std::string_view operation, const std::string& path, int error) {
  ErrorCode code = ErrorCode::kIo;
  if (error == ENOENT || error == ENOTDIR) code = ErrorCode::kNotFound;
  if (error == ENOSPC || error == EDQUOT) code = ErrorCode::kResourceExhausted;
  return {code, std::string(operation) + " " + path + ": " + std::strerror(error)};
}

Status make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return errno_status("create directory", path, error.value());
  return Status::ok();
}

Status sync_directory(const std::string& path) {
  const UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return errno_status("open directory", path, errno);
  // Some file systems cannot sync a folder; they say EINVAL and order renames themselves.
  if (fsync(directory.get()) != 0 && errno != EINVAL) return errno_status("sync directory", path, errno);
  return Status::ok();
}

Status write_file_atomically(const std::string& path, std::string_view bytes) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const std::string temporary = directory + "/.new-" + std::filesystem::path(temporary_name("")).filename().string();
  UniqueFd file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.valid()) return errno_status("create", temporary, errno);
  Status status = write_all(file.get(), std::as_bytes(std::span(bytes.data(), bytes.size())), temporary);
  if (status.is_ok() && fsync(file.get()) != 0) status = errno_status("sync", temporary, errno);
  if (status.is_ok() && rename(temporary.c_str(), path.c_str()) != 0) status = errno_status("rename to", path, errno);
  if (!status.is_ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return sync_directory(directory);
}

Result<std::string> read_small_file(const std::string& path, size_t max_bytes) {
  struct stat info {};
  DA_ASSIGN_OR_RETURN(const UniqueFd file, open_regular(path, info));
  const Status too_long(ErrorCode::kCorruptData, "read " + path + ": longer than " + std::to_string(max_bytes) + " bytes");
  if (static_cast<uint64_t>(info.st_size) > max_bytes) return too_long;
  std::string text(static_cast<size_t>(info.st_size) + 1, '\0');
  size_t used = 0;
  while (true) {
    if (used > max_bytes) return too_long;
    if (used == text.size()) text.resize(text.size() * 2);
    const ssize_t got = read(file.get(), text.data() + used, text.size() - used);
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno_status("read", path, errno);
    }
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  text.resize(used);
  return text;
}

Result<std::string> hash_file(const std::string& path, const ByteProgress& progress) {
  struct stat info {};
  DA_ASSIGN_OR_RETURN(const UniqueFd file, open_regular(path, info));
  return hash_fd(file.get(), static_cast<uint64_t>(info.st_size), path, progress);
}

Result<UniqueFd> lock_directory(const std::string& path) {
  DA_RETURN_IF_ERROR(make_directories(path));
  UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return errno_status("open directory", path, errno);
  while (flock(directory.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return errno_status("lock", path, errno);
  }
  return directory;
}

PendingBlob::PendingBlob(std::string directory, std::string path, UniqueFd file)
    : directory_(std::move(directory)), path_(std::move(path)), file_(std::move(file)) {}

PendingBlob::PendingBlob(PendingBlob&& other) noexcept
    : directory_(std::move(other.directory_)),
      path_(std::exchange(other.path_, "")),
      file_(std::move(other.file_)),
      hash_(std::move(other.hash_)),
      known_hex_(std::move(other.known_hex_)),
      size_bytes_(other.size_bytes_) {}

PendingBlob::~PendingBlob() {
  if (!path_.empty()) unlink(path_.c_str());
}

Result<PendingBlob> PendingBlob::create(const std::string& blobs_directory) {
  DA_RETURN_IF_ERROR(make_directories(blobs_directory));
  std::string path = temporary_name(blobs_directory);
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.valid()) return errno_status("create", path, errno);
  return PendingBlob(blobs_directory, std::move(path), std::move(file));
}

Result<PendingBlob> PendingBlob::import(const std::string& blobs_directory, const std::string& source,
                                        const ByteProgress& progress) {
  DA_RETURN_IF_ERROR(make_directories(blobs_directory));
  struct stat info {};
  DA_ASSIGN_OR_RETURN(UniqueFd source_file, open_regular(source, info));
  const auto total = static_cast<uint64_t>(info.st_size);
  // A reflink shares the bytes and cannot be changed through the source; a hard link costs nothing on any file system.
  {
    DA_ASSIGN_OR_RETURN(PendingBlob blob, create(blobs_directory));
    if (ioctl(blob.file_.get(), FICLONE, source_file.get()) == 0) {
      blob.size_bytes_ = total;
      DA_ASSIGN_OR_RETURN(blob.known_hex_, hash_fd(blob.file_.get(), total, source, progress));
      return blob;
    }
    unlink(blob.path_.c_str());
    // AT_SYMLINK_FOLLOW: a link to the file that was opened above, not to a symlink that names it.
    if (linkat(AT_FDCWD, source.c_str(), AT_FDCWD, blob.path_.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      UniqueFd linked(open(blob.path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
      struct stat linked_info {};
      if (linked.valid() && fstat(linked.get(), &linked_info) == 0 && linked_info.st_ino == info.st_ino &&
          linked_info.st_dev == info.st_dev) {
        blob.file_ = std::move(linked);
        blob.size_bytes_ = total;
        DA_ASSIGN_OR_RETURN(blob.known_hex_, hash_fd(blob.file_.get(), total, source, progress));
        return blob;
      }
    }
  }
  DA_ASSIGN_OR_RETURN(PendingBlob blob, create(blobs_directory));
  DA_RETURN_IF_ERROR(blob.copy_from(source_file.get(), source, progress));
  return blob;
}

Status PendingBlob::copy_from(int source_fd, const std::string& source, const ByteProgress& progress) {
  std::vector<std::byte> chunk(kChunkBytes);
  struct stat info {};
  const uint64_t total = fstat(source_fd, &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
  while (true) {
    const ssize_t got = read(source_fd, chunk.data(), chunk.size());
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno_status("read", source, errno);
    }
    if (got == 0) return Status::ok();
    DA_RETURN_IF_ERROR(append(std::span(chunk.data(), static_cast<size_t>(got))));
    if (progress) progress(size_bytes_, total);
  }
}

Status PendingBlob::append(std::span<const std::byte> bytes) {
  hash_.update(bytes);
  DA_RETURN_IF_ERROR(write_all(file_.get(), bytes, path_));
  size_bytes_ += bytes.size();
  return Status::ok();
}

Result<PendingBlob::Published> PendingBlob::publish() {
  Published published;
  published.hex = known_hex_.empty() ? hash_.finish_hex() : known_hex_;
  const std::string target = directory_ + "/sha256-" + published.hex;
  struct stat info {};
  if (stat(target.c_str(), &info) == 0 && static_cast<uint64_t>(info.st_size) == size_bytes_) {
    published.existed = true;
    utimensat(AT_FDCWD, target.c_str(), nullptr, 0);  // in use again: no clean-up by age
    return published;                                 // the destructor removes the temporary file
  }
  if (fsync(file_.get()) != 0) return errno_status("sync", path_, errno);
  if (rename(path_.c_str(), target.c_str()) != 0) return errno_status("rename to", target, errno);
  // If both names were links to one file, rename did nothing and left the temporary one.
  unlink(path_.c_str());
  path_.clear();
  DA_RETURN_IF_ERROR(sync_directory(directory_));
  return published;
}

}  // namespace da::store
