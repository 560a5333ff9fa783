#include "backend/gpu_plugin.h"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>

namespace da::backend {
namespace {

constexpr const char* kFileName = "libdeepanalyze-cuda.so";

std::string program_folder() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) return "";
  const std::string program(path, static_cast<size_t>(length));
  return program.substr(0, program.rfind('/'));
}

Status no_gpu(const std::string& why) { return {ErrorCode::kUnavailable, "no GPU: " + why}; }

}  // namespace

GpuPluginSearch GpuPluginSearch::from_environment() {
  GpuPluginSearch search;
  const char* no_cuda = std::getenv("OLLAMA_NO_CUDA");
  search.disabled = no_cuda != nullptr && *no_cuda != '\0' && std::strcmp(no_cuda, "0") != 0;
  if (const char* path = std::getenv("DEEPANALYZE_CUDA_PLUGIN"); path != nullptr && *path != '\0') {
    search.paths = {path};
  } else if (const std::string folder = program_folder(); !folder.empty()) {
    search.paths = {folder + "/" + kFileName, folder + "/../lib/deepanalyze/" + kFileName};
  }
  return search;
}

std::string GpuPluginSearch::found() const {
  if (disabled) return "";
  for (const std::string& path : paths) {
    if (access(path.c_str(), F_OK) == 0) return path;
  }
  return "";
}

Result<const GpuPlugin*> load_gpu_plugin(const GpuPluginSearch& search) {
  if (search.disabled) return no_gpu("OLLAMA_NO_CUDA is set");
  const std::string path = search.found();
  if (path.empty()) return no_gpu("this installation has no plugin for GPUs");
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return no_gpu(std::string("the plugin cannot be loaded: ") + dlerror());
  const auto function = reinterpret_cast<const GpuPlugin* (*)()>(dlsym(library, kGpuPluginFunction));
  const GpuPlugin* plugin = function == nullptr ? nullptr : function();
  if (plugin == nullptr || plugin->build != gpu_plugin_build()) {
    dlclose(library);
    return no_gpu(path + " belongs to another build of this program");
  }
  return plugin;
}

}  // namespace da::backend
