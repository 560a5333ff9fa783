#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace da {

// The processors this process may run on, by memory node (NUMA): memory is faster from a processor's own node.
class CpuTopology {
 public:
  static constexpr int kMaxNodes = 64;

  // Linux's /sys/devices/system/node, less the processors outside this process's affinity mask. One node where it tells
  // of none.
  static CpuTopology read(const std::string& root = "/sys/devices/system/node");
  // Not empty; nodes without processors count for nothing.
  explicit CpuTopology(std::vector<std::vector<int>> cpus_of_node);

  int n_nodes() const { return static_cast<int>(cpus_of_node_.size()); }
  const std::vector<int>& cpus(int node) const { return cpus_of_node_[static_cast<size_t>(node)]; }
  // Of the processor this thread runs on now; 0 if it is none of these.
  int current_node() const;
  // Where thread `thread_idx` of a team belongs if it is to stay in one place: one to each node in turn.
  int cpu_of_thread(int thread_idx) const;
  // What node `node` has of [0, n): as much as it has of the processors, in whole `step`s.
  std::pair<int64_t, int64_t> share(int64_t n, int64_t step, int node) const;

 private:
  std::vector<std::vector<int>> cpus_of_node_;
  std::vector<int> node_of_cpu_;
  int n_cpus_ = 0;
};

// This machine's, read at the first call.
const CpuTopology& cpu_topology();

// Hands out the shares of the nodes in chunks: a thread has those of its own node first and then helps the others.
class NodeQueue {
 public:
  struct Chunk {
    int node;
    int64_t begin, end;  // within its share
  };

  // Chunks of `chunk`; for `n_takers` threads above 0, as many at once as leave half of what is there to the others, so
  // that chunks are long at first and all end together.
  explicit NodeQueue(int64_t chunk, int n_takers = 0) : chunk_(chunk), n_takers_(n_takers) {}
  void add_node(int64_t share) { share_[static_cast<size_t>(n_nodes_++)] = share; }  // before any take()
  // Thread-safe.
  std::optional<Chunk> take(int own_node);

 private:
  const int64_t chunk_;
  const int n_takers_;
  int n_nodes_ = 0;
  std::array<std::atomic<int64_t>, CpuTopology::kMaxNodes> next_{};
  std::array<int64_t, CpuTopology::kMaxNodes> share_{};
};

}  // namespace da
