#include "base/cpu_topology.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>

namespace da {
namespace {

// "0-3,8,10-11"; numbers beyond `most` are left out.
std::vector<int> parse_list(const std::string& text, int most) {
  std::vector<int> numbers;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    char* end = nullptr;
    const long first = std::strtol(part.c_str(), &end, 10);
    if (end == part.c_str()) continue;
    const long last = *end == '-' ? std::strtol(end + 1, nullptr, 10) : first;
    for (long i = std::max(first, 0L); i <= std::min<long>(last, most); ++i) numbers.push_back(static_cast<int>(i));
  }
  return numbers;
}

std::vector<int> read_list(const std::string& path, int most) {
  std::ifstream file(path);
  std::string text;
  std::getline(file, text);
  return parse_list(text, most);
}

}  // namespace

CpuTopology::CpuTopology(std::vector<std::vector<int>> cpus_of_node) {
  for (std::vector<int>& cpus : cpus_of_node) {
    if (cpus.empty()) continue;
    if (n_nodes() == kMaxNodes) break;
    for (const int cpu : cpus) {
      if (node_of_cpu_.size() <= static_cast<size_t>(cpu)) node_of_cpu_.resize(static_cast<size_t>(cpu) + 1);
      node_of_cpu_[static_cast<size_t>(cpu)] = n_nodes();
    }
    n_cpus_ += static_cast<int>(cpus.size());
    cpus_of_node_.push_back(std::move(cpus));
  }
}

CpuTopology CpuTopology::read(const std::string& root) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) CPU_SET(0, &allowed);
  std::vector<std::vector<int>> nodes;
  std::vector<int> known;
  for (const int node : read_list(root + "/online", kMaxNodes - 1)) {
    std::vector<int> cpus = read_list(root + "/node" + std::to_string(node) + "/cpulist", CPU_SETSIZE - 1);
    std::erase_if(cpus, [&](int cpu) { return !CPU_ISSET(cpu, &allowed); });
    known.insert(known.end(), cpus.begin(), cpus.end());
    nodes.push_back(std::move(cpus));
  }
  if (static_cast<int>(known.size()) != CPU_COUNT(&allowed)) {
    // The system does not know where all of them are.
    nodes.assign(1, {});
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) nodes[0].push_back(cpu);
    }
  }
  return CpuTopology(std::move(nodes));
}

int CpuTopology::current_node() const {
  if (n_nodes() <= 1) return 0;
  const int cpu = sched_getcpu();
  return cpu >= 0 && static_cast<size_t>(cpu) < node_of_cpu_.size() ? node_of_cpu_[static_cast<size_t>(cpu)] : 0;
}

int CpuTopology::cpu_of_thread(int thread_idx) const {
  // Node by node, each time the next processor of those that have so many.
  int left = thread_idx % n_cpus_;
  for (size_t i = 0;; ++i) {
    for (const std::vector<int>& cpus : cpus_of_node_) {
      if (i < cpus.size() && left-- == 0) return cpus[i];
    }
  }
}

std::pair<int64_t, int64_t> CpuTopology::share(int64_t n, int64_t step, int node) const {
  const auto border = [&](int64_t n_cpus_before) {
    return std::min(n, (n * n_cpus_before / n_cpus_ + step - 1) / step * step);
  };
  int64_t before = 0;
  for (int i = 0; i < node; ++i) before += static_cast<int64_t>(cpus(i).size());
  return {border(before), border(before + static_cast<int64_t>(cpus(node).size()))};
}

const CpuTopology& cpu_topology() {
  static const CpuTopology topology = CpuTopology::read();
  return topology;
}

std::optional<NodeQueue::Chunk> NodeQueue::take(int own_node) {
  for (int i = 0; i < n_nodes_; ++i) {
    const int node = (own_node + i) % n_nodes_;
    std::atomic<int64_t>& next = next_[static_cast<size_t>(node)];
    const int64_t share = share_[static_cast<size_t>(node)];
    int64_t begin = next.load(std::memory_order_relaxed);
    while (begin < share) {
      const int64_t n_chunks = n_takers_ == 0 ? 1 : std::max<int64_t>(1, (share - begin) / (2 * n_takers_ * chunk_));
      const int64_t end = std::min(begin + n_chunks * chunk_, share);
      if (next.compare_exchange_weak(begin, end, std::memory_order_relaxed)) return Chunk{node, begin, end};
    }
  }
  return std::nullopt;
}

}  // namespace da
