#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace da::runner {

// What the kernel enforces on this process from now on. What could not be applied is false (0), and `reason` says why.
struct Sandbox {
  bool network_namespace = false;   // no interface but a loopback that is down
  bool seccomp = false;             // system calls outside a short list fail
  int landlock_abi = 0;             // 0: no Landlock; otherwise no file can be opened, whatever the call
  bool no_dumps = false;            // no core file, no ptrace by the same user
  std::string reason;               // "" if everything holds
  bool complete() const { return network_namespace && seccomp && landlock_abi > 0 && no_dumps; }
};

// What a runner with GPUs needs beyond the rest. The driver's threads and late calls are the reason: it opens its device
// files anew whenever it maps memory.
struct DeviceAccess {
  // Called once no network can be reached and only the files below can be opened, before system calls are restricted:
  // loads libraries, opens drivers, may start threads. False: there is no device after all.
  std::function<bool()> open;
  std::vector<std::string> read_paths;    // files, and folders with all in them; those that do not exist are left out
  std::vector<std::string> device_paths;  // also written to and controlled (ioctl)
};
// The driver's own files, the system's libraries, those of LD_LIBRARY_PATH, and the plugin.
DeviceAccess gpu_access(const std::string& plugin_path);

// Dies with the thread that started this process, whose process id is `parent_pid`; then closes all descriptors above
// `highest_fd` and seals the process. Must run before any other thread exists: Landlock and namespaces belong to
// threads. Descriptors that are open stay usable. `devices` null: no file can be opened, no device controlled. Errors:
// kUnavailable if the parent is gone already.
Result<Sandbox> seal(int parent_pid, int highest_fd, const DeviceAccess* devices = nullptr);

// The parts, in their own files.
Status enter_empty_network();
Status deny_all_files(int& landlock_abi, const DeviceAccess* except = nullptr);
// `first_device_fd`: descriptors from here on may be controlled, and files opened (Landlock says which); -1: neither.
Status restrict_system_calls(int first_device_fd = -1);

}  // namespace da::runner
