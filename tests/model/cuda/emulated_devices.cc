#include "backend/cuda/cuda_backend.h"
#include "cuda_emulation/emulation.h"
#include "model/cuda/devices.h"

namespace da::test {

void reset_gpus() { cuda_emulation::configure({.devices = std::vector<cuda_emulation::DeviceOptions>(2)}); }
int32_t n_gpus() { return 2; }
std::unique_ptr<backend::Backend> make_gpu(int32_t device) {
  return std::move(backend::cuda::make_cuda_backend({.device = device, .n_threads = 1})).value();
}
std::string last_fault() { return cuda_emulation::last_fault(); }
Counts counts() {
  return {cuda_emulation::n_allocations(), cuda_emulation::n_waits(), cuda_emulation::n_graph_launches()};
}

}  // namespace da::test
