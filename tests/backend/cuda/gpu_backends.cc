#include <stdexcept>

#include "backend/backends.h"
#include "backend/gpu_plugin.h"

// Real GPUs, through the plugin beside this program. Without one the tests fail: who asks for them has one.
namespace da::backend::test {

std::vector<std::string> backend_names() { return {"gpu"}; }

std::unique_ptr<Backend> make_backend(const std::string&) {
  const auto plugin = load_gpu_plugin(GpuPluginSearch::from_environment());
  if (!plugin.is_ok()) throw std::runtime_error(plugin.status().message());
  auto backend = (*plugin)->make({});
  if (!backend.is_ok()) throw std::runtime_error(backend.status().message());
  return std::move(*backend);
}

}  // namespace da::backend::test
