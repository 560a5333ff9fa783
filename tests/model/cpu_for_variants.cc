#include "backend/cpu/cpu_backend.h"
#include "model/run_model.h"

namespace da::model::test {

std::unique_ptr<backend::Backend> make_backend() {
  return std::move(backend::make_cpu_backend({.n_threads = 1})).value();
}

bool rows_keep_their_bits() { return true; }

}  // namespace da::model::test
