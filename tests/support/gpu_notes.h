#pragma once

#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>

namespace da::test {

// Notes for tools/gpu-summary.sh what was shown: "operations", "product", "Q4_K"; "models", "two GPUs", "llama".
// $DEEPANALYZE_GPU_LOG names the file, without it nothing is noted. To be called where the checks have passed.
inline void note_gpu(const std::string& kind, const std::string& group, const std::string& what) {
  static std::ofstream log = [] {
    const char* path = std::getenv("DEEPANALYZE_GPU_LOG");
    return path != nullptr && *path != '\0' ? std::ofstream(path) : std::ofstream();
  }();
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (log.is_open()) log << kind << '\t' << group << '\t' << what << std::endl;
}

}  // namespace da::test
