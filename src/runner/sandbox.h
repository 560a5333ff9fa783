#pragma once

#include <string>

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

// Dies with the thread that started this process, whose process id is `parent_pid`; then closes all descriptors above
// `highest_fd` and seals the process. Must run before any other thread exists: Landlock and namespaces belong to
// threads. Descriptors that are open stay usable. Errors: kUnavailable if the parent is gone already.
Result<Sandbox> seal(int parent_pid, int highest_fd);

// The parts, in their own files.
Status enter_empty_network();
Status deny_all_files(int& landlock_abi);
Status restrict_system_calls();

}  // namespace da::runner
