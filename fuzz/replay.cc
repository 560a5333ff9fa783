// Runs a fuzz target without libFuzzer: every seed file of the folders given as it is, then seeded mutations of it, for a
// number of runs. `./test` uses it so that each target is at least exercised on every change; long runs use libFuzzer.
// Usage: replay RUNS FOLDER…
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;
constexpr size_t kMaxSeedBytes = 64 * 1024;

Bytes mutate(Bytes bytes, const Bytes& other, std::mt19937& random) {
  const auto place = [&](size_t n) { return n == 0 ? 0 : random() % n; };
  for (size_t i = 0, n = 1 + random() % 4; i < n; ++i) {
    const size_t at = place(bytes.size());
    switch (random() % 6) {
      case 0: if (!bytes.empty()) bytes[at] = static_cast<uint8_t>(random()); break;
      case 1: if (!bytes.empty()) bytes[at] ^= static_cast<uint8_t>(1U << random() % 8); break;
      case 2: bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), static_cast<uint8_t>(random())); break;
      case 3: bytes.erase(bytes.begin() + static_cast<ptrdiff_t>(at), bytes.begin() + static_cast<ptrdiff_t>(std::min(bytes.size(), at + random() % 16))); break;
      case 4: bytes.resize(at); break;
      case 5: {
        const size_t from = place(other.size()), length = std::min<size_t>(other.size() - from, random() % 64);
        bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), other.begin() + static_cast<ptrdiff_t>(from), other.begin() + static_cast<ptrdiff_t>(from + length));
        break;
      }
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Bytes> seeds;
  for (int i = 2; i < argc; ++i) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (entry.is_regular_file() && entry.file_size() <= kMaxSeedBytes) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      std::ifstream in(file, std::ios::binary);
      seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
  }
  if (argc < 3 || seeds.empty()) {
    std::fprintf(stderr, "usage: replay RUNS FOLDER… (no seed files found)\n");
    return 2;
  }
  for (const Bytes& seed : seeds) LLVMFuzzerTestOneInput(seed.data(), seed.size());
  std::mt19937 random(2024);
  const int runs = std::atoi(argv[1]);
  for (int i = 0; i < runs; ++i) {
    const Bytes input = mutate(seeds[random() % seeds.size()], seeds[random() % seeds.size()], random);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu seeds and %d mutations of them ran\n", seeds.size(), runs);
  return 0;
}
