#pragma once

#include <sys/types.h>

#include <span>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace da::runner {

// Starts `<this binary> runner` ($DEEPANALYZE_BINARY instead, if set) with `socket_fd` as descriptor 3, the model's files
// from 4 on, no other descriptor but stderr, and an environment of what a runner may need to know. `gpu_layers` 0: it opens
// no GPU; `only_gpu`: the UUID of the one it is to see, "": those this process may see. The process dies with the calling
// thread. Errors: kIo.
Result<pid_t> spawn_runner(int socket_fd, std::span<const UniqueFd> model_files, int gpu_layers, const std::string& only_gpu = "");

// "exit status 1", "signal 9 (Killed)" of a wait status.
std::string describe_exit(int wait_status);

}  // namespace da::runner
