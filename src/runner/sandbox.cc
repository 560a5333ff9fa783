#include "runner/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sstream>

namespace da::runner {
namespace {

Status failed(const char* call) { return {ErrorCode::kIo, std::string(call) + ": " + std::strerror(errno)}; }

// The kernel's out-of-memory killer takes a runner before the server or anything else of the user's.
void be_first_to_go() {
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  constexpr char kScore[] = "900";
  (void)!write(fd, kScore, sizeof kScore - 1);
  close(fd);
}

Status drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) != 0) return failed("capset");
  return Status::ok();
}

}  // namespace

DeviceAccess gpu_access(const std::string& plugin_path) {
  DeviceAccess access;
  access.read_paths = {plugin_path, "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/cuda",
                       "/usr/local/nvidia", "/etc/ld.so.cache", "/etc/nvidia",
                       "/sys", "/dev/nvidia-caps",
                       // Of /proc only what describes this process and the machine.
                       "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/devices", "/proc/modules", "/proc/version",
                       "/proc/filesystems", "/proc/stat", "/proc/sys/vm", "/proc/sys/kernel", "/proc/driver"};
  access.device_paths = {"/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset", "/dev/dxg"};
  if (const char* paths = std::getenv("LD_LIBRARY_PATH"); paths != nullptr) {
    std::istringstream in(paths);
    for (std::string path; std::getline(in, path, ':');) {
      if (path.starts_with('/') && path != "/") access.read_paths.push_back(path);
    }
  }
  for (int i = 0; i < 64; ++i) access.device_paths.push_back("/dev/nvidia" + std::to_string(i));
  return access;
}

Status enter_empty_network() {
  if (unshare(CLONE_NEWNET) == 0) return Status::ok();
  // Without privilege a user namespace of our own grants it; some systems forbid those.
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) return Status::ok();
  return failed("unshare network namespace");
}

Result<Sandbox> seal(int parent_pid, int highest_fd, const DeviceAccess* devices) {
  Sandbox sandbox;
  const auto note = [&sandbox](const Status& status) {
    if (status.is_ok()) return true;
    sandbox.reason += (sandbox.reason.empty() ? "" : "; ") + status.message();
    return false;
  };
  tzset();   // reads its file while files can be read
  be_first_to_go();
  if (syscall(SYS_close_range, static_cast<unsigned>(highest_fd) + 1, ~0U, 0U) != 0) {
    for (int fd = highest_fd + 1; fd < 1024; ++fd) close(fd);
  }
  sandbox.network_namespace = note(enter_empty_network());
  note(drop_capabilities());

  // After the namespace: entering it clears the death signal. A parent that died before the call is seen by its id.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) note(failed("prctl(PR_SET_PDEATHSIG)"));
  if (getppid() != parent_pid) return {ErrorCode::kUnavailable, "the server that started this runner is gone"};

  const rlimit no_core{0, 0};
  sandbox.no_dumps = true;
  if (setrlimit(RLIMIT_CORE, &no_core) != 0) sandbox.no_dumps = note(failed("setrlimit(RLIMIT_CORE)"));
  if (prctl(PR_SET_DUMPABLE, 0) != 0) sandbox.no_dumps = note(failed("prctl(PR_SET_DUMPABLE)"));

  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) note(failed("prctl(PR_SET_NO_NEW_PRIVS)"));
  note(deny_all_files(sandbox.landlock_abi, devices));
  const bool opened = devices != nullptr && devices->open();
  // Where Landlock is missing nothing else would say which files: then none, though a driver may not like it.
  const bool with_devices = opened && sandbox.landlock_abi > 0;
  sandbox.seccomp = note(restrict_system_calls(with_devices ? highest_fd + 1 : -1));
  return sandbox;
}

}  // namespace da::runner
