#include "backend/cuda/launcher.h"

#include <algorithm>

namespace da::backend::cuda {
namespace {

// FNV-1a over 8 bytes at a time.
uint64_t hash_bytes(const void* data, size_t bytes) {
  uint64_t hash = 0xCBF29CE484222325ULL;
  for (size_t i = 0; i + 8 <= bytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, static_cast<const char*>(data) + i, 8);
    hash = (hash ^ word) * 0x100000001B3ULL;
    hash ^= hash >> 29;
  }
  return hash;
}

}  // namespace

Launcher::~Launcher() {
  for (const Graph& graph : graphs_) {
    if (graph.executable != nullptr) (void)cudaGraphExecDestroy(graph.executable);
  }
}

void Launcher::open(int device, cudaStream_t stream, int max_shared_bytes, bool graphs) {
  device_ = device;
  stream_ = stream;
  max_shared_bytes_ = max_shared_bytes;
  graphs_enabled_ = graphs;
}

void Launcher::add(const Record& record) {
  if (!status_.is_ok()) return;
  if (recording_) {
    records_.push_back(record);
    return;
  }
  if (status_ = use(); status_.is_ok()) run({&record, 1});
}

void Launcher::record(bool on) {
  flush();
  recording_ = on && graphs_enabled_;
}

void Launcher::run(std::span<const Record> records) {
  for (const Record& record : records) {
    if (status_ = cuda_status(record.invoke(*this, record), "kernel launch"); !status_.is_ok()) return;
  }
}

Status Launcher::capture(Graph& graph) {
  // Not even a failed capture may leave the stream capturing.
  DA_CUDA_RETURN_IF_ERROR(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
  run(records_);
  cudaGraph_t captured = nullptr;
  const Status ended = DA_CUDA_STATUS(cudaStreamEndCapture(stream_, &captured));
  DA_RETURN_IF_ERROR(status_);
  DA_RETURN_IF_ERROR(ended);
  const Status made = DA_CUDA_STATUS(cudaGraphInstantiate(&graph.executable, captured, 0));
  (void)cudaGraphDestroy(captured);
  return made;
}

void Launcher::run_graph() {
  const size_t bytes = records_.size() * sizeof(Record);
  const uint64_t hash = hash_bytes(records_.data(), bytes);
  const auto found = std::find_if(graphs_.begin(), graphs_.end(), [&](const Graph& graph) {
    return graph.hash == hash && graph.records.size() == records_.size() &&
           std::memcmp(graph.records.data(), records_.data(), bytes) == 0;
  });
  if (found == graphs_.end()) {
    // Seen once: most lists that come twice come many times, many come once.
    graphs_.push_front({hash, records_, nullptr});
    if (graphs_.size() > kMaxGraphs) {
      if (graphs_.back().executable != nullptr) (void)cudaGraphExecDestroy(graphs_.back().executable);
      graphs_.pop_back();
    }
    return run(records_);
  }
  graphs_.splice(graphs_.begin(), graphs_, found);
  Graph& graph = graphs_.front();
  if (graph.executable == nullptr) status_ = capture(graph);
  if (status_.is_ok()) status_ = DA_CUDA_STATUS(cudaGraphLaunch(graph.executable, stream_));
}

void Launcher::flush() {
  if (records_.empty()) return;
  if (status_.is_ok()) status_ = use();
  if (status_.is_ok()) run_graph();
  records_.clear();
}

}  // namespace da::backend::cuda
