#include "base/memory_limits.h"

#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace da {
namespace {

// The number after `name` in a file of "name number" lines; 0 if there is none.
uint64_t named_number(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    uint64_t value = 0;
    if (word == name && file >> value) return value;
  }
  return 0;
}

// Bytes left in the group; its file cache that nobody uses counts as free. UINT64_MAX without a limit.
uint64_t left_in_group(const std::string& folder) {
  uint64_t limit = 0, used = 0;
  std::ifstream limit_file(folder + "/memory.max"), used_file(folder + "/memory.current");
  if (!(limit_file >> limit) || !(used_file >> used)) return UINT64_MAX;   // "max", or no such controller
  used -= std::min(used, named_number(folder + "/memory.stat", "inactive_file"));
  return limit - std::min(limit, used);
}

}  // namespace

uint64_t available_memory_bytes() {
  uint64_t available = named_number("/proc/meminfo", "MemAvailable:") * 1024;
  std::ifstream self("/proc/self/cgroup");
  std::string path;
  for (std::string line; std::getline(self, line);) {
    if (line.starts_with("0::")) path = line.substr(3);
  }
  while (!path.empty()) {
    available = std::min(available, left_in_group("/sys/fs/cgroup" + path));
    path.resize(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
  }
  return available;
}

void bound_kept_memory() {
  constexpr int kArenas = 2, kLargeBytes = 256 << 10;
  mallopt(M_ARENA_MAX, kArenas);
  mallopt(M_MMAP_THRESHOLD, kLargeBytes);  // set, it no longer follows the largest piece there was
}

}  // namespace da
