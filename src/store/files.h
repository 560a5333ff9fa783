#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "store/digest.h"

// What the store does to the file system: whole files appear under their names or not at all, and survive a power cut.
namespace da::store {

using ByteProgress = std::function<void(uint64_t completed, uint64_t total)>;

// The error of a failed system call: kNotFound, kResourceExhausted (disk full, quota) or kIo, naming what and where.
Status errno_status(std::string_view operation, const std::string& path, int error);

Status make_directories(const std::string& path);
Status sync_directory(const std::string& path);
// Temporary file in the same folder, fsync, rename, fsync of the folder.
Status write_file_atomically(const std::string& path, std::string_view bytes);
// Errors: kNotFound, kIo, kCorruptData if it is longer than `max_bytes`.
Result<std::string> read_small_file(const std::string& path, size_t max_bytes);
Result<std::string> hash_file(const std::string& path, const ByteProgress& progress);

// Locks a folder against other processes and threads that change the store; released on destruction. Blocks.
Result<UniqueFd> lock_directory(const std::string& path);

// A blob on its way in: a temporary file in the blobs folder that is removed unless `publish` names it.
class PendingBlob {
 public:
  PendingBlob(PendingBlob&& other) noexcept;
  PendingBlob& operator=(PendingBlob&&) = delete;
  ~PendingBlob();

  static Result<PendingBlob> create(const std::string& blobs_directory);
  // A file's content by hard link, reflink or copy, whichever the file system grants first; hashed from the new name.
  static Result<PendingBlob> import(const std::string& blobs_directory, const std::string& source,
                                    const ByteProgress& progress);

  Status append(std::span<const std::byte> bytes);
  uint64_t size_bytes() const { return size_bytes_; }
  // fsync and rename to sha256-<hex>. An existing blob of this digest stays; true if there was one.
  struct Published {
    std::string hex;
    bool existed = false;
  };
  Result<Published> publish();

 private:
  PendingBlob(std::string directory, std::string path, UniqueFd file);
  Status copy_from(int source_fd, const std::string& source, const ByteProgress& progress);

  std::string directory_, path_;
  UniqueFd file_;
  Sha256 hash_;
  std::string known_hex_;  // set where the hash was made by reading the finished file
  uint64_t size_bytes_ = 0;
};

}  // namespace da::store
