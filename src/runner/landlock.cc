#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "runner/sandbox.h"

namespace da::runner {
namespace {

// The kernel's interface, written out because the headers of the build machine may be older than its kernel.
struct RulesetAttributes {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;   // since ABI 4
  uint64_t scoped;               // since ABI 6
};
constexpr uint32_t kVersionFlag = 1;
// Number of file access rights each ABI knows: execute … make_sym; + refer (2); + truncate (3); + ioctl on devices (5).
constexpr std::array<int, 6> kFileRights = {0, 13, 14, 15, 15, 16};
constexpr uint64_t kBindTcp = 1, kConnectTcp = 2;
constexpr uint64_t kExecute = 1, kWriteFile = 2, kReadFile = 4, kReadFolder = 8, kControlDevice = 1 << 15;
constexpr int kRulePathBeneath = 1;
struct __attribute__((packed)) PathRule {
  uint64_t allowed_access;
  int32_t parent_fd;
};
constexpr uint64_t kScopeAbstractSockets = 1, kScopeSignals = 2;

// What does not exist needs no rule.
Status allow_path(long ruleset, const std::string& path, uint64_t rights) {
  const int fd = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return Status::ok();
  struct stat info {};
  if (fstat(fd, &info) == 0 && !S_ISDIR(info.st_mode)) rights &= ~kReadFolder;
  const PathRule rule{rights, fd};
  const long added = syscall(SYS_landlock_add_rule, ruleset, kRulePathBeneath, &rule, 0);
  const int error = errno;
  close(fd);
  if (added == 0) return Status::ok();
  return {ErrorCode::kIo, "landlock: allow " + path + ": " + std::strerror(error)};
}

Status allow_devices(long ruleset, const DeviceAccess& devices, uint64_t handled) {
  for (const std::string& path : devices.read_paths)
    DA_RETURN_IF_ERROR(allow_path(ruleset, path, kExecute | kReadFile | kReadFolder));
  for (const std::string& path : devices.device_paths)
    DA_RETURN_IF_ERROR(allow_path(ruleset, path, (kReadFile | kWriteFile | kControlDevice) & handled));
  return Status::ok();
}

}  // namespace

// A ruleset without a rule, but for what devices need: every right it handles is denied.
Status deny_all_files(int& landlock_abi, const DeviceAccess* except) {
  landlock_abi = 0;
  const auto failed = [](const char* what) {
    return Status(ErrorCode::kIo, std::string("landlock: ") + what + ": " + std::strerror(errno));
  };
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionFlag);
  if (abi < 1) return failed("not available");
  RulesetAttributes attributes{};
  const auto known = static_cast<size_t>(std::min<long>(abi, kFileRights.size() - 1));
  attributes.handled_access_fs = (uint64_t{1} << kFileRights[known]) - 1;
  size_t size = sizeof attributes.handled_access_fs;
  if (abi >= 4) {
    attributes.handled_access_net = kBindTcp | kConnectTcp;
    size += sizeof attributes.handled_access_net;
  }
  if (abi >= 6) {
    attributes.scoped = kScopeAbstractSockets | kScopeSignals;
    size += sizeof attributes.scoped;
  }
  const long ruleset = syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
  if (ruleset < 0) return failed("create ruleset");
  const Status allowed =
      except == nullptr ? Status::ok() : allow_devices(ruleset, *except, attributes.handled_access_fs);
  if (!allowed.is_ok()) {
    close(static_cast<int>(ruleset));
    return allowed;
  }
  const long restricted = syscall(SYS_landlock_restrict_self, ruleset, 0);
  const int error = errno;
  close(static_cast<int>(ruleset));
  errno = error;
  if (restricted != 0) return failed("restrict");
  landlock_abi = static_cast<int>(abi);
  return Status::ok();
}

}  // namespace da::runner
