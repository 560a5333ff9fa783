#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"

// The backends a test program is about; each program links one of the sources that define these.
namespace da::backend::test {

// "avx2", "emulated_gpu"
std::vector<std::string> backend_names();
std::unique_ptr<Backend> make_backend(const std::string& name);

}  // namespace da::backend::test
