#include "runner/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

namespace da::runner {
namespace {

// Runs `body` in a sealed child process; its text is what the child wrote to the pipe.
std::string in_sealed_child(const std::function<std::string(const Sandbox&)>& body, int* status_out = nullptr,
                            const DeviceAccess* devices = nullptr) {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    dup2(fds[1], 3);
    const auto sandbox = seal(parent, 3, devices);
    const std::string text = sandbox.is_ok() ? body(*sandbox) : "seal: " + sandbox.status().message();
    (void)!write(3, text.data(), text.size());
    _exit(0);
  }
  close(fds[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(fds[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  close(fds[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status_out != nullptr) *status_out = status;
  return text;
}

// "name " for each attempt that was not refused with EPERM or EACCES.
class Attempts {
 public:
  void refused(const char* name, long result) {
    const int error = errno;
    if (result >= 0 || (error != EPERM && error != EACCES)) failures_ += std::string(name) + "(" + (result >= 0 ? "allowed" : std::strerror(error)) + ") ";
  }
  const std::string& failures() const { return failures_; }

 private:
  std::string failures_;
};

TEST(Sandbox, IsCompleteHere) {
  const std::string report = in_sealed_child([](const Sandbox& sandbox) {
    return std::string(sandbox.complete() ? "complete" : "degraded: " + sandbox.reason) + ", landlock " +
           (sandbox.landlock_abi > 0 ? "yes" : "no");
  });
  EXPECT_EQ(report, "complete, landlock yes");
}

TEST(Sandbox, EveryForbiddenThingIsRefused) {
  const pid_t outside = getpid();
  const std::string failures = in_sealed_child([outside](const Sandbox&) {
    Attempts attempts;
    for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET}) attempts.refused("socket", socket(family, SOCK_STREAM, 0));
    attempts.refused("datagram socket", socket(AF_INET, SOCK_DGRAM, 0));
    int pair[2];
    attempts.refused("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    attempts.refused("connect", connect(3, reinterpret_cast<sockaddr*>(&address), sizeof address));
    attempts.refused("bind", bind(3, reinterpret_cast<sockaddr*>(&address), sizeof address));
    attempts.refused("listen", listen(3, 1));
    attempts.refused("accept", accept(3, nullptr, nullptr));
    attempts.refused("sendto", sendto(3, "x", 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address));
    attempts.refused("open for reading", open("/etc/passwd", O_RDONLY));
    attempts.refused("open a device", open("/dev/null", O_RDWR));
    attempts.refused("openat", openat(AT_FDCWD, "/etc/passwd", O_RDONLY));
    attempts.refused("openat2", syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", nullptr, 0));
    attempts.refused("creat", creat("/tmp/deepanalyze-sandbox-test", 0600));
    attempts.refused("open for writing", open("/tmp/deepanalyze-sandbox-test", O_WRONLY | O_CREAT, 0600));
    attempts.refused("open temporary", open("/tmp", O_TMPFILE | O_RDWR, 0600));
    attempts.refused("memfd", memfd_create("x", 0));
    attempts.refused("mkdir", mkdir("/tmp/deepanalyze-sandbox-test", 0700));
    attempts.refused("unlink", unlink("/tmp/none"));
    attempts.refused("rename", rename("/tmp/none", "/tmp/other"));
    attempts.refused("link", link("/etc/passwd", "/tmp/other"));
    attempts.refused("symlink", symlink("/etc/passwd", "/tmp/other"));
    attempts.refused("truncate", truncate("/tmp/none", 0));
    attempts.refused("chmod", chmod("/tmp", 0777));
    attempts.refused("access", access("/etc/passwd", R_OK));
    attempts.refused("fork", syscall(SYS_fork));
    attempts.refused("vfork", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    char* const arguments[] = {const_cast<char*>("/bin/true"), nullptr};
    attempts.refused("execve", execve("/bin/true", arguments, nullptr));
    attempts.refused("execveat", syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, nullptr, 0));
    attempts.refused("ptrace", ptrace(PTRACE_ATTACH, outside, nullptr, nullptr));
    attempts.refused("ptrace me", ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
    char byte = 0;
    iovec mine{&byte, 1}, theirs{&byte, 1};
    attempts.refused("process_vm_readv", process_vm_readv(outside, &mine, 1, &theirs, 1, 0));
    attempts.refused("process_vm_writev", process_vm_writev(outside, &mine, 1, &theirs, 1, 0));
    attempts.refused("kill", kill(outside, 0));
    attempts.refused("tgkill", syscall(SYS_tgkill, outside, outside, 0));
    attempts.refused("bpf", syscall(SYS_bpf, 0, nullptr, 0));
    attempts.refused("io_uring_setup", syscall(SYS_io_uring_setup, 1, nullptr));
    attempts.refused("userfaultfd", syscall(SYS_userfaultfd, 0));
    attempts.refused("perf_event_open", syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0));
    attempts.refused("unshare", syscall(SYS_unshare, 0x10000000));
    attempts.refused("setns", syscall(SYS_setns, 3, 0));
    attempts.refused("mount", syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, nullptr));
    attempts.refused("chroot", syscall(SYS_chroot, "/tmp"));
    attempts.refused("prctl", syscall(SYS_prctl, 4 /* PR_SET_DUMPABLE */, 1, 0, 0, 0));
    attempts.refused("setrlimit", syscall(SYS_setrlimit, 4, nullptr));
    attempts.refused("ioctl", syscall(SYS_ioctl, 2, 0x5412 /* TIOCSTI */, "x"));
    attempts.refused("dup", dup(3));
    void* code = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    attempts.refused("map code", code == MAP_FAILED ? -1 : 0);
    void* data = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    attempts.refused("make code", mprotect(data, 4096, PROT_READ | PROT_EXEC));
    return attempts.failures();
  });
  EXPECT_EQ(failures, "");
}

// A runner with a GPU: its driver's files and no others, its descriptors and no others.
TEST(Sandbox, ARunnerWithDevicesReachesThoseOnly) {
  char folder[] = "/tmp/deepanalyze-devices-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string library = std::string(folder) + "/library", other = std::string(folder) + "/other";
  for (const std::string& path : {library, other}) close(open(path.c_str(), O_WRONLY | O_CREAT, 0600));
  DeviceAccess devices{.open = {}, .read_paths = {library, "/nowhere/at/all"}, .device_paths = {"/dev/null"}};
  std::atomic<int>* seen = static_cast<std::atomic<int>*>(
      mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  devices.open = [&] {
    // While drivers are opened threads may start, code be mapped; files are restricted already, the network is gone.
    std::thread([&] { *seen = open(other.c_str(), O_RDONLY) < 0 && open(library.c_str(), O_RDONLY) >= 0 ? 1 : 2; }).join();
    return true;
  };
  const std::string failures = in_sealed_child(
      [&](const Sandbox& sandbox) {
        if (!sandbox.complete()) return "incomplete: " + sandbox.reason;
        Attempts attempts;
        const int device = open("/dev/null", O_RDWR);
        if (device < 0) return std::string("the device cannot be opened");
        if (ioctl(device, 0x5401 /* TCGETS */, nullptr) == 0 || errno == EPERM) return std::string("ioctl on the device is refused");
        if (open(library.c_str(), O_RDONLY) < 0) return std::string("the library cannot be read");
        attempts.refused("ioctl on stderr", syscall(SYS_ioctl, 2, 0x5412 /* TIOCSTI */, "x"));
        attempts.refused("dup", dup(2));
        attempts.refused("F_DUPFD", fcntl(2, F_DUPFD, 10));
        attempts.refused("write the library", open(library.c_str(), O_WRONLY));
        attempts.refused("read another file", open(other.c_str(), O_RDONLY));
        attempts.refused("read a password", open("/etc/passwd", O_RDONLY));
        attempts.refused("read the server's memory", open(("/proc/" + std::to_string(getppid()) + "/environ").c_str(), O_RDONLY));
        attempts.refused("make a file", open((std::string(folder) + "/new").c_str(), O_WRONLY | O_CREAT, 0600));
        attempts.refused("unlink", unlink(other.c_str()));
        attempts.refused("socket", socket(AF_UNIX, SOCK_STREAM, 0));
        char* const arguments[] = {const_cast<char*>("/bin/true"), nullptr};
        attempts.refused("execve", execve("/bin/true", arguments, nullptr));
        void* code = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        attempts.refused("map code", code == MAP_FAILED ? -1 : 0);
        return attempts.failures();
      },
      nullptr, &devices);
  EXPECT_EQ(failures, "");
  EXPECT_EQ(seen->load(), 1) << "a thread that a driver starts is bound too";
  // Without a device after all the rest is as tight as ever.
  devices.open = [] { return false; };
  EXPECT_EQ(in_sealed_child(
                [&](const Sandbox&) {
                  Attempts attempts;
                  attempts.refused("open", open(library.c_str(), O_RDONLY));
                  attempts.refused("ioctl", syscall(SYS_ioctl, 5, 0, 0));
                  return attempts.failures();
                },
                nullptr, &devices),
            "");
  unlink(library.c_str());
  unlink(other.c_str());
  rmdir(folder);
}

// Each layer by itself: what one would miss, another catches.
TEST(Sandbox, LandlockAloneRefusesFiles) {
  const pid_t child = fork();
  if (child == 0) {
    int abi = 0;
    const bool sealed = syscall(SYS_prctl, 38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0) == 0 && deny_all_files(abi).is_ok();
    const bool refused = open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES && creat("/tmp/deepanalyze-landlock-test", 0600) < 0 && errno == EACCES;
    _exit(sealed && abi > 0 && refused ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Sandbox, NetworkNamespaceAloneReachesNothing) {
  const pid_t child = fork();
  if (child == 0) {
    const bool entered = enter_empty_network().is_ok();
    const int udp = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(9);
    address.sin_addr.s_addr = htonl(0x7F000001);
    const bool unreachable = sendto(udp, "x", 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 && errno == ENETUNREACH;
    _exit(entered && unreachable ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Sandbox, WhatARunnerNeedsStillWorks) {
  const std::string text = in_sealed_child([](const Sandbox&) -> std::string {
    std::atomic<int> sum = 0;
    std::thread a([&] { sum += 1; }), b([&] { sum += 2; });
    a.join();
    b.join();
    if (sum != 3) return "threads";
    std::string large(50 << 20, 'x');
    if (large[size_t{49} << 20] != 'x') return "memory";
    struct stat info {};
    if (fstat(3, &info) != 0) return "fstat";
    timespec now{};
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return "clock";
    if (std::random_device{}() == std::random_device{}() && std::random_device{}() == 0) return "random";   // throws if it has no source
    try {
      throw std::runtime_error("x");
    } catch (const std::exception&) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return "ok";
  });
  EXPECT_EQ(text, "ok");
}

TEST(Sandbox, AbortEndsTheProcess) {
  int status = 0;
  in_sealed_child([](const Sandbox&) -> std::string { std::abort(); }, &status);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && !WCOREDUMP(status)) << status;
}

TEST(Sandbox, AParentThatIsGoneIsNoticed) {
  const pid_t child = fork();
  if (child == 0) _exit(seal(1 << 22, 3).code() == ErrorCode::kUnavailable ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace da::runner
