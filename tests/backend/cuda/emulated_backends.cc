#include "backend/backends.h"
#include "backend/cuda/cuda_backend.h"
#include "cuda_emulation/emulation.h"

namespace da::backend::test {

std::vector<std::string> backend_names() { return {"emulated_gpu"}; }

std::unique_ptr<Backend> make_backend(const std::string&) {
  static uint64_t seed = 0;
  cuda_emulation::configure({.devices = {{.memory_bytes = 256 << 20}}, .seed = ++seed});
  return std::move(cuda::make_cuda_backend({.n_threads = 1})).value();
}

}  // namespace da::backend::test
