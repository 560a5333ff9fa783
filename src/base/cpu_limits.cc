#include "base/cpu_limits.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

namespace da {
namespace {

// CPUs granted by /sys/fs/cgroup/<own group>/cpu.max and every group above it; infinity if none is set.
double cgroup_quota() {
  std::ifstream self("/proc/self/cgroup");
  std::string line, path;
  while (std::getline(self, line)) {
    if (line.starts_with("0::")) path = line.substr(3);
  }
  double cpus = INFINITY;
  while (true) {
    std::ifstream file("/sys/fs/cgroup" + path + "/cpu.max");
    std::string quota;
    double period = 0;
    if (file >> quota >> period && quota != "max" && period > 0) cpus = std::min(cpus, std::strtod(quota.c_str(), nullptr) / period);
    const size_t slash = path.find_last_of('/');
    if (slash == std::string::npos || path.empty()) break;
    path.resize(slash);
  }
  return cpus;
}

}  // namespace

int available_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cpus = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = CPU_COUNT(&set);
  const double quota = cgroup_quota();
  if (std::isfinite(quota)) cpus = std::min(cpus, static_cast<int>(std::ceil(quota)));
  return std::max(cpus, 1);
}

}  // namespace da
