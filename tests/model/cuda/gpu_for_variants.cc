#include "backend/cuda/cuda_backend.h"
#include "cuda_emulation/emulation.h"
#include "model/run_model.h"

namespace da::model::test {

std::unique_ptr<backend::Backend> make_backend() {
  cuda_emulation::configure({.devices = std::vector<cuda_emulation::DeviceOptions>(1)});
  return std::move(backend::cuda::make_cuda_backend({.device = 0, .n_threads = 1})).value();
}

bool rows_keep_their_bits() { return false; }

}  // namespace da::model::test
