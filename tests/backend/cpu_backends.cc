#include "backend/backends.h"
#include "backend/cpu/cpu_backend.h"

namespace da::backend::test {
namespace {

// Memory nodes that are not there, of unlike sizes: results must not show them.
const CpuTopology& nodes() {
  static const CpuTopology topology({{0}, {1}, {2, 3, 4}, {5}});
  return topology;
}

}  // namespace

std::vector<std::string> backend_names() {
  std::vector<std::string> names;
  for (const std::string_view name : cpu_isa_names()) {
    if (cpu_isa_supported(name)) names.emplace_back(name);
  }
  names.emplace_back("four_nodes");
  return names;
}

std::unique_ptr<Backend> make_backend(const std::string& name) {
  if (name == "four_nodes")
    return std::move(make_cpu_backend({.n_threads = 3, .pin_threads = true, .topology = &nodes()})).value();
  return std::move(make_cpu_backend({.n_threads = 2, .isa = name})).value();
}

}  // namespace da::backend::test
