#include "base/cpu_topology.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <thread>

#include "base/thread_pool.h"

namespace da {
namespace {

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

// As Linux tells of nodes.
class Folder {
 public:
  Folder(const std::string& online, const std::vector<std::string>& lists) {
    std::filesystem::create_directories(path_);
    std::ofstream(path_ / "online") << online << "\n";
    for (size_t i = 0; i < lists.size(); ++i) {
      std::filesystem::create_directories(path_ / ("node" + std::to_string(i)));
      std::ofstream(path_ / ("node" + std::to_string(i)) / "cpulist") << lists[i] << "\n";
    }
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_ = std::filesystem::path(testing::TempDir()) / ("nodes-" + std::to_string(::getpid()));
};

TEST(CpuTopology, ReadsNodesLessForeignProcessors) {
  const std::vector<int> cpus = allowed_cpus();
  if (cpus.size() < 2) GTEST_SKIP() << "needs two processors";
  const std::string first = std::to_string(cpus[0]);
  std::string rest;
  for (size_t i = 1; i < cpus.size(); ++i) rest += (i > 1 ? "," : "") + std::to_string(cpus[i]);
  // Node 1 has memory only; the last processor of node 2 is not ours.
  const Folder folder("0-2", {first, "", rest + ",1000-1001"});
  const CpuTopology topology = CpuTopology::read(folder.path());
  ASSERT_EQ(topology.n_nodes(), 2);
  EXPECT_EQ(topology.cpus(0), std::vector<int>{cpus[0]});
  EXPECT_EQ(topology.cpus(1), std::vector<int>(cpus.begin() + 1, cpus.end()));
  EXPECT_EQ(topology.cpu_of_thread(0), cpus[0]);
  EXPECT_EQ(topology.cpu_of_thread(1), cpus[1]);
}

TEST(CpuTopology, IsOneNodeWhereTheSystemDoesNotTell) {
  const std::vector<int> cpus = allowed_cpus();
  const Folder of_others("0", {"1000"});
  for (const std::string& path : {std::string("/nowhere"), of_others.path()}) {
    const CpuTopology topology = CpuTopology::read(path);
    ASSERT_EQ(topology.n_nodes(), 1) << path;
    EXPECT_EQ(topology.cpus(0), cpus);
    EXPECT_EQ(topology.current_node(), 0);
  }
  EXPECT_GE(cpu_topology().n_nodes(), 1);
}

TEST(CpuTopology, TeamsSpreadOverNodes) {
  const CpuTopology topology({{0, 1, 2}, {}, {10}});
  std::vector<int> cpus;
  for (int i = 0; i < 5; ++i) cpus.push_back(topology.cpu_of_thread(i));
  EXPECT_EQ(cpus, (std::vector<int>{0, 10, 1, 2, 0}));
}

TEST(CpuTopology, SharesCoverEverythingOnceInProportion) {
  const CpuTopology topology({{0, 1, 2}, {3}, {4, 5, 6, 7}});
  for (const int64_t n : {0, 1, 7, 8, 9, 64, 1000}) {
    for (const int64_t step : {1, 8}) {
      int64_t at = 0;
      for (int node = 0; node < 3; ++node) {
        const auto [begin, end] = topology.share(n, step, node);
        EXPECT_EQ(begin, at);
        EXPECT_LE(begin, end);
        EXPECT_LE(std::abs(static_cast<double>(end - begin) -
                           static_cast<double>(n * static_cast<int64_t>(topology.cpus(node).size())) / 8),
                  static_cast<double>(step));
        at = end;
      }
      EXPECT_EQ(at, n);
    }
  }
}

TEST(NodeQueue, GivesItsOwnShareFirstAndEverythingOnce) {
  NodeQueue queue(3);
  for (const int64_t share : {7, 0, 5}) queue.add_node(share);
  std::vector<int> seen(12);
  std::vector<int> order;
  while (const auto chunk = queue.take(2)) {
    order.push_back(chunk->node);
    for (int64_t i = chunk->begin; i < chunk->end; ++i) ++seen[static_cast<size_t>(i + (chunk->node == 2 ? 7 : 0))];
  }
  EXPECT_EQ(order, (std::vector<int>{2, 2, 0, 0, 0}));
  EXPECT_EQ(seen, std::vector<int>(12, 1));
}

TEST(NodeQueue, LongChunksFirst) {
  NodeQueue queue(4, 2);
  queue.add_node(0);
  queue.add_node(67);
  std::vector<int64_t> lengths;
  int64_t next = 0;
  while (const auto chunk = queue.take(0)) {
    EXPECT_EQ(chunk->node, 1);
    EXPECT_EQ(chunk->begin, next);
    next = chunk->end;
    lengths.push_back(chunk->end - chunk->begin);
  }
  EXPECT_EQ(next, 67);
  EXPECT_EQ(lengths, (std::vector<int64_t>{16, 12, 8, 4, 4, 4, 4, 4, 4, 4, 3}));
}

TEST(NodeQueue, ServesManyThreads) {
  for (const int n_takers : {0, 4}) {
    NodeQueue queue(2, n_takers);
    queue.add_node(1001);
    queue.add_node(500);
    std::vector<std::atomic<int>> seen(1501);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        while (const auto chunk = queue.take(i % 2)) {
          for (int64_t k = chunk->begin; k < chunk->end; ++k) ++seen[static_cast<size_t>(k + chunk->node * 1001)];
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& count : seen) EXPECT_EQ(count.load(), 1);
  }
}

TEST(ThreadPool, PinsWorkersToTheirProcessors) {
  const std::vector<int> cpus = allowed_cpus();
  ThreadPool pool(3, cpus);
  std::vector<std::vector<int>> where(3);
  pool.run([&](int i) { where[static_cast<size_t>(i)] = allowed_cpus(); });
  EXPECT_EQ(where[0], cpus) << "the caller goes where it likes";
  for (size_t i = 1; i < 3; ++i) EXPECT_EQ(where[i], std::vector<int>{cpus[i % cpus.size()]});
}

}  // namespace
}  // namespace da
