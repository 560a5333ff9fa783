#include "backend/backends.h"
#include "backend/cpu/cpu_backend.h"

namespace da::backend::test {

std::vector<std::string> backend_names() {
  std::vector<std::string> names;
  for (const std::string_view name : cpu_isa_names()) {
    if (cpu_isa_supported(name)) names.emplace_back(name);
  }
  return names;
}

std::unique_ptr<Backend> make_backend(const std::string& name) {
  return std::move(make_cpu_backend({.n_threads = 2, .isa = name})).value();
}

}  // namespace da::backend::test
