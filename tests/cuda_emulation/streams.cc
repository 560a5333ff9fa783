#include <algorithm>

#include "cuda_emulation/block.h"
#include "cuda_emulation/state.h"

namespace da::cuda_emulation {
namespace {

constexpr size_t kSharedDefault = 48 << 10, kSharedMost = 99 << 10;

cudaError_t run_kernel(int device_idx, const GridShape& shape, const std::function<void()>& body) {
  State& s = state();
  Device& device = s.devices[static_cast<size_t>(device_idx)];
  ++s.n_kernels;
  if (due(s.lose_kernel)) return device.sticky = cudaErrorDevicesUnavailable;
  if (due(s.fault_kernel)) {
    s.last_fault = "injected";
    return device.sticky = cudaErrorIllegalAddress;
  }
  if (due(s.hang_kernel)) {
    device.hanging = true;
    return cudaErrorNotReady;
  }
  const std::string fault = run_grid(shape, s.seed + s.n_kernels, body);
  if (fault.empty()) return cudaSuccess;
  s.last_fault = fault;
  return device.sticky = cudaErrorLaunchFailure;
}

}  // namespace

cudaError_t drain(Stream& stream, uint64_t position) {
  State& s = state();
  while (!stream.waiting.empty() && stream.n_done < position) {
    Device& device = s.devices[static_cast<size_t>(stream.device)];
    if (device.hanging) return cudaErrorNotReady;
    if (device.sticky != cudaSuccess) {
      stream.n_done += stream.waiting.size();
      stream.waiting.clear();
      return device.sticky;
    }
    const Operation operation = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    ++stream.n_done;
    if (const cudaError_t error = operation(); error != cudaSuccess) return error;
  }
  const Device& device = s.devices[static_cast<size_t>(stream.device)];
  return device.hanging ? cudaErrorNotReady : device.sticky;
}

cudaError_t drain_device(int device) {
  State& s = state();
  cudaError_t first = usable(device);
  for (const auto& stream : s.streams) {
    if (stream->device != device) continue;
    const cudaError_t error = drain(*stream);
    if (first == cudaSuccess) first = error;
  }
  return first;
}

cudaError_t enqueue(Stream* stream, Operation operation) {
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;  // the default stream would serialise everything
  if (stream->capture != nullptr) {
    stream->capture->operations.push_back(std::move(operation));
    return cudaSuccess;
  }
  if (const cudaError_t error = usable(stream->device); error != cudaSuccess) return error;
  stream->waiting.push_back(std::move(operation));
  ++stream->n_queued;
  return cudaSuccess;
}

cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, std::function<void()> body) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const dim3 grid = config.gridDim, block = config.blockDim;
  const unsigned n_threads = block.x * block.y * block.z;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535 || n_threads == 0 ||
      n_threads > 1024)
    return result(cudaErrorInvalidConfiguration);
  const auto raised = s.max_shared.find(kernel);
  const size_t most = raised == s.max_shared.end() ? kSharedDefault : static_cast<size_t>(raised->second);
  if (config.dynamicSmemBytes > most) return result(cudaErrorInvalidValue);
  if (config.stream == nullptr) return result(cudaErrorInvalidResourceHandle);
  if (config.stream->device != current_device()) return result(cudaErrorInvalidResourceHandle);
  const GridShape shape{grid, block, config.dynamicSmemBytes};
  return result(enqueue(config.stream, [device = config.stream->device, shape, run = std::move(body)] {
    return run_kernel(device, shape, run);
  }));
}

cudaError_t set_max_shared(const void* kernel, int bytes) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (bytes < 0 || static_cast<size_t>(bytes) > kSharedMost) return result(cudaErrorInvalidValue);
  s.max_shared[kernel] = std::max(bytes, static_cast<int>(kSharedDefault));
  return cudaSuccess;
}

}  // namespace da::cuda_emulation

using namespace da::cuda_emulation;  // NOLINT(google-build-using-namespace)

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (const cudaError_t error = usable(current_device()); error != cudaSuccess) return result(error);
  s.streams.push_back(std::make_unique<Stream>());
  *stream = s.streams.back().get();
  (*stream)->device = current_device();
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  (void)drain(*stream);
  std::erase_if(s.streams, [&](const auto& each) { return each.get() == stream; });
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const std::lock_guard lock(state().mutex);
  return result(drain(*stream));
}
cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const std::lock_guard lock(state().mutex);
  if (const cudaError_t error = usable(current_device()); error != cudaSuccess) return result(error);
  *event = new Event();
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(state().mutex);
  if (stream->capture != nullptr) return result(cudaErrorStreamCaptureUnsupported);
  if (const cudaError_t error = usable(stream->device); error != cudaSuccess) return result(error);
  event->stream = stream;
  event->position = stream->n_queued;
  return cudaSuccess;
}

// Runs what stands before the event, so that the host that asks long enough gets its answer.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard lock(state().mutex);
  if (event->stream != nullptr && event->stream->n_done < event->position) ++state().n_waits;
  return result(event->stream == nullptr ? cudaSuccess : drain(*event->stream, event->position));
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) { return cudaEventQuery(event); }

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const std::lock_guard lock(state().mutex);
  if (event->stream == nullptr) return cudaSuccess;
  return result(enqueue(stream, [from = event->stream, position = event->position] { return drain(*from, position); }));
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const std::lock_guard lock(state().mutex);
  if (stream->capture != nullptr) return result(cudaErrorStreamCaptureUnsupported);
  if (const cudaError_t error = usable(stream->device); error != cudaSuccess) return result(error);
  stream->capture = std::make_unique<Graph>();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(state().mutex);
  if (stream->capture == nullptr) return result(cudaErrorInvalidValue);
  *graph = stream->capture.release();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new Graph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  ++s.n_graph_launches;
  for (const Operation& operation : executable->operations) {
    if (const cudaError_t error = enqueue(stream, operation); error != cudaSuccess) return result(error);
  }
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
