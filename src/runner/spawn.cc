#include "runner/spawn.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace da::runner {
namespace {

// The rest stays here: keys and tokens in a server's environment are none of a runner's business.
bool runner_needs(std::string_view variable) {
  constexpr std::array<std::string_view, 11> kPrefixes = {"DEEPANALYZE_", "TZ=", "LANG=", "LC_", "LD_LIBRARY_PATH=", "ASAN_OPTIONS=",
                                                         "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "CUDA_", "OLLAMA_NO_CUDA=", "OLLAMA_GPU_OVERHEAD="};
  return !variable.starts_with("DEEPANALYZE_API_KEY") &&
         std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](std::string_view prefix) { return variable.starts_with(prefix); });
}

// Above the numbers the copies will have, so that making one cannot overwrite the other.
Result<UniqueFd> out_of_the_way(int fd, int first_free) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, first_free));
  if (!copy.valid()) return {ErrorCode::kIo, std::string("start runner: duplicate a descriptor: ") + std::strerror(errno)};
  return copy;
}

}  // namespace

Result<pid_t> spawn_runner(int socket_fd, std::span<const UniqueFd> model_files, int gpu_layers, const std::string& only_gpu) {
  const int end_fd = 4 + static_cast<int>(model_files.size());
  DA_ASSIGN_OR_RETURN(const UniqueFd socket, out_of_the_way(socket_fd, end_fd));
  std::vector<UniqueFd> files;
  for (const UniqueFd& file : model_files) {
    DA_ASSIGN_OR_RETURN(UniqueFd copy, out_of_the_way(file.get(), end_fd));
    files.push_back(std::move(copy));
  }

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 2, 1);
  posix_spawn_file_actions_adddup2(&actions, socket.get(), 3);
  for (size_t i = 0; i < files.size(); ++i) {
    posix_spawn_file_actions_adddup2(&actions, files[i].get(), 4 + static_cast<int>(i));
  }
  posix_spawn_file_actions_addclosefrom_np(&actions, end_fd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  const char* override_binary = std::getenv("DEEPANALYZE_BINARY");
  const std::string binary = override_binary != nullptr && *override_binary != '\0' ? override_binary : "/proc/self/exe";
  std::string program = "deepanalyze", command = "runner", parent = "--parent=" + std::to_string(getpid());
  std::string n_files = "--files=" + std::to_string(files.size()), gpus = "--gpu-layers=" + std::to_string(gpu_layers);
  std::array<char*, 6> arguments = {program.data(), command.data(), parent.data(), n_files.data(), gpus.data(), nullptr};
  std::vector<char*> environment;
  constexpr std::string_view kVisible = "CUDA_VISIBLE_DEVICES=";
  std::string visible = std::string(kVisible) + only_gpu;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!only_gpu.empty() && std::string_view(*variable).starts_with(kVisible)) continue;
    if (runner_needs(*variable)) environment.push_back(*variable);
  }
  if (!only_gpu.empty()) environment.push_back(visible.data());
  environment.push_back(nullptr);

  pid_t pid = -1;
  const int error = posix_spawn(&pid, binary.c_str(), &actions, &attributes, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return {ErrorCode::kIo, "start runner " + binary + ": " + std::strerror(error)};
  return pid;
}

std::string describe_exit(int wait_status) {
  if (WIFEXITED(wait_status)) return "exit status " + std::to_string(WEXITSTATUS(wait_status));
  if (WIFSIGNALED(wait_status)) {
    const int number = WTERMSIG(wait_status);
    return "signal " + std::to_string(number) + " (" + strsignal(number) + ")";
  }
  return "wait status " + std::to_string(wait_status);
}

}  // namespace da::runner
