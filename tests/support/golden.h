#pragma once

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace da::test {

// Notes for tests/golden/summary.cmake which files were used and how many cases held; $DEEPANALYZE_GOLDEN_LOG names the
// file, without it nothing is noted.
inline void note_golden(const std::string& line) {
  static std::ofstream log = [] {
    const char* path = std::getenv("DEEPANALYZE_GOLDEN_LOG");
    return path != nullptr && *path != '\0' ? std::ofstream(path) : std::ofstream();
  }();
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (log.is_open()) log << line << std::endl;
}
inline void count_golden(std::string_view kind, size_t n_cases) {
  note_golden("cases " + std::to_string(n_cases) + " " + std::string(kind));
}

// Path of a file or folder of the golden data, which lives outside the repository: $DEEPANALYZE_GOLDEN, else
// ../shared/golden beside the source tree. Throws if it is missing, so that the test fails instead of skipping:
// a suite that runs without its reference proves nothing.
inline std::string golden_path(std::string_view relative) {
  const char* override_root = std::getenv("DEEPANALYZE_GOLDEN");
  const std::filesystem::path root = override_root != nullptr && *override_root != '\0'
                                         ? std::filesystem::path(override_root)
                                         : std::filesystem::path(DEEPANALYZE_SOURCE_DIR) / ".." / "shared" / "golden";
  const std::filesystem::path path = root / relative;
  if (!std::filesystem::exists(path)) {
    throw std::runtime_error("golden data is missing: " + path.string() + " (set DEEPANALYZE_GOLDEN to its folder)");
  }
  note_golden("file " + std::string(relative));
  return path.string();
}

// The file's bytes; throws if it cannot be read.
inline std::string golden_bytes(std::string_view relative) {
  const std::string path = golden_path(relative);
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("golden data cannot be read: " + path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// A raw `.f32` file as floats (little-endian, as this machine is).
inline std::vector<float> golden_floats(std::string_view relative) {
  const std::string bytes = golden_bytes(relative);
  if (bytes.size() % sizeof(float) != 0)
    throw std::runtime_error("golden data is not float32: " + std::string(relative));
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace da::test
