#pragma once

#include <cuda_runtime.h>

#include <cstring>
#include <list>
#include <span>
#include <vector>

#include "backend/cuda/status.h"
#include "base/result.h"

namespace da::backend::cuda {

// Launches kernels on one stream. While recording, launches are only written down; flush() then runs them, as a CUDA
// graph if the same list came before: a decode step calls the same kernels with the same arguments over and over (what
// changes lies in device memory), and one graph launch costs the host far less than some hundred kernels.
//
// The first failure sticks: later launches do nothing and status() keeps it.
class Launcher {
 public:
  Launcher() = default;
  ~Launcher();
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  // `device` is made current before each call. Graphs are used if `graphs`.
  void open(int device, cudaStream_t stream, int max_shared_bytes, bool graphs);

  template <class Args>
  void launch(void (*kernel)(Args), dim3 grid, dim3 block, size_t shared_bytes, const Args& args) {
    static_assert(sizeof(Args) <= kMaxArgsBytes && std::is_trivially_copyable_v<Args>);
    Record record{&invoke<Args>, reinterpret_cast<void (*)()>(kernel), grid, block, shared_bytes, {}};
    std::memcpy(record.args, &args, sizeof(Args));
    add(record);
  }

  void record(bool on);
  // Runs what was recorded. Must come before anything else is put on the stream.
  void flush();
  void fail(const Status& status) {
    if (status_.is_ok()) status_ = status;
  }
  const Status& status() const { return status_; }
  cudaStream_t stream() const { return stream_; }
  // Makes the device current for calls of this thread.
  Status use() const { return DA_CUDA_STATUS(cudaSetDevice(device_)); }

 private:
  static constexpr size_t kMaxArgsBytes = 320;
  static constexpr size_t kMaxGraphs = 64;

  struct Record {
    cudaError_t (*invoke)(const Launcher& launcher, const Record& record);
    void (*kernel)();
    dim3 grid, block;
    size_t shared_bytes;
    alignas(8) unsigned char args[kMaxArgsBytes];
  };
  // A list that was run before; an executable graph from its second time on.
  struct Graph {
    uint64_t hash = 0;
    std::vector<Record> records;
    cudaGraphExec_t executable = nullptr;
  };

  template <class Args>
  static cudaError_t invoke(const Launcher& launcher, const Record& record) {
    Args args;
    std::memcpy(&args, record.args, sizeof(Args));
    const auto kernel = reinterpret_cast<void (*)(Args)>(record.kernel);
    // More than 48 KiB has to be asked for; asking costs nothing worth saving.
    if (record.shared_bytes > 48 * 1024) {
      const cudaError_t error =
          cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, launcher.max_shared_bytes_);
      if (error != cudaSuccess) return error;
    }
    cudaLaunchConfig_t config = {};
    config.gridDim = record.grid;
    config.blockDim = record.block;
    config.dynamicSmemBytes = record.shared_bytes;
    config.stream = launcher.stream_;
    return cudaLaunchKernelEx(&config, kernel, args);
  }

  void add(const Record& record);
  void run(std::span<const Record> records);
  void run_graph();
  Status capture(Graph& graph);

  int device_ = 0;
  cudaStream_t stream_ = nullptr;
  int max_shared_bytes_ = 48 * 1024;
  bool graphs_enabled_ = true, recording_ = false;
  std::vector<Record> records_;
  std::list<Graph> graphs_;  // the last used first
  Status status_;
};

}  // namespace da::backend::cuda
