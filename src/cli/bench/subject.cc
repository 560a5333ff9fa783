#include "cli/bench/subject.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <map>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/memory.h"
#include "base/cpu_limits.h"
#include "base/thread_pool.h"
#include "cli/bench/measure.h"
#include "engine/load.h"
#include "tokenizer/tokenizer.h"

namespace da::cli::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// The file once from front to back, into new memory on huge pages (what a load cannot do without, whatever it makes of
// the bytes) or into one small buffer for each thread.
Result<double> time_reading(int fd, const std::string& name, uint64_t n_bytes, int n_threads, bool into_new_memory) {
  constexpr uint64_t kPieceBytes = uint64_t{2} << 20;
  ThreadPool threads(n_threads);
  const auto begin = Clock::now();
  const uint64_t room = into_new_memory ? n_bytes + kPieceBytes : kPieceBytes * static_cast<uint64_t>(n_threads);
  DA_ASSIGN_OR_RETURN(const auto memory, backend::cpu::Memory::allocate(room, "the file's bytes"));
  std::atomic<uint64_t> next{0};
  std::atomic<int> error{0};
  threads.run([&](int thread_idx) {
    for (uint64_t at = next.fetch_add(kPieceBytes); at < n_bytes; at = next.fetch_add(kPieceBytes)) {
      uint8_t* to = memory.data() + (into_new_memory ? at : kPieceBytes * static_cast<uint64_t>(thread_idx));
      if (pread(fd, to, std::min(kPieceBytes, n_bytes - at), static_cast<off_t>(at)) < 0) error = errno;
    }
  });
  const double seconds = seconds_since(begin);
  if (error != 0) return {ErrorCode::kIo, "read " + name + ": " + std::strerror(error)};
  return seconds;
}

uint64_t count_or(const gguf::File& file, std::string_view key, uint64_t fallback) {
  const auto value = file.get_uint(std::string(file.architecture()) + "." + std::string(key));
  return value.is_ok() ? *value : fallback;
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// A line "Name:   123 kB" of /proc/self/status, in bytes.
uint64_t status_bytes(std::string_view name) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    uint64_t kilobytes = 0;
    if (word == name && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

}  // namespace

Work work_of(const gguf::File& file) {
  Work work;
  std::map<gguf::TensorType, uint64_t> values_of;
  const bool tied = file.find_tensor("output.weight") == nullptr;
  const uint64_t n_experts = std::max<uint64_t>(1, count_or(file, "expert_count", 1));
  const uint64_t n_used = std::min(n_experts, count_or(file, "expert_used_count", n_experts));
  for (const gguf::Tensor& tensor : file.tensors()) {
    const std::string_view name = tensor.name;
    // Vectors, and tables of which a row is looked up.
    if (tensor.n_dims < 2 || contains(name, "_norm.") || name == "position_embd.weight" ||
        name == "per_layer_token_embd.weight" || name == "token_types.weight")
      continue;
    const bool is_embedding = name == "token_embd.weight", is_output = name == "output.weight";
    if (is_embedding && !tied) continue;  // one row of it
    const bool is_expert = contains(name, "_exps.");
    const uint64_t n_values = is_expert ? tensor.n_values() / n_experts * n_used : tensor.n_values();
    work.step_bytes += is_expert ? tensor.size_bytes / n_experts * n_used : tensor.size_bytes;
    (is_embedding || is_output ? work.output_values : work.row_values) += n_values;
    values_of[tensor.type] += n_values;
  }
  uint64_t most = 0;
  for (const auto& [type, n_values] : values_of) {
    if (n_values > most) work.type = type;
    most = std::max(most, n_values);
  }
  return work;
}

std::vector<double> LoadTimes::over_read() const {
  std::vector<double> ratios;
  for (size_t i = 0; i < load_seconds.size(); ++i) ratios.push_back(load_seconds[i] / read_seconds[i]);
  return ratios;
}

double Subject::kv_bytes_per_token() const {
  const int32_t n_pages = engine->stats().pages_committed;
  return n_pages == 0 ? 0 : static_cast<double>(kv_bytes()) / n_pages / backend::kPageTokens;
}

Result<Subject> load_subject(int fd, const std::string& name, const engine::EngineOptions& options, int n_loads) {
  Subject subject;
  struct stat info {};
  if (fstat(fd, &info) != 0) return {ErrorCode::kIo, "read " + name + ": " + std::strerror(errno)};
  subject.file_bytes = static_cast<uint64_t>(info.st_size);
  const int n_threads = options.n_threads > 0 ? options.n_threads : available_cpus();
  DA_ASSIGN_OR_RETURN(const auto backend, backend::make_cpu_backend({.n_threads = n_threads, .isa = options.isa}));
  subject.description = backend->description();
  // Twice, as the first may have to fetch the file from the disk.
  for (int i = 0; i < 2; ++i) {
    DA_ASSIGN_OR_RETURN(subject.times.read_buffer_seconds,
                        time_reading(fd, name, subject.file_bytes, n_threads, false));
  }
  std::shared_ptr<gguf::File> file;
  for (int i = 0; i < n_loads; ++i) {
    subject.engine.reset();
    file.reset();
    DA_ASSIGN_OR_RETURN(const double read_seconds, time_reading(fd, name, subject.file_bytes, n_threads, true));
    subject.times.read_seconds.push_back(read_seconds);
    forget_peak_memory();
    const auto begin = Clock::now();
    DA_ASSIGN_OR_RETURN(file, gguf::File::open_fd(fd, name));
    DA_ASSIGN_OR_RETURN(subject.engine, engine::load_engine(file, options));
    subject.times.load_seconds.push_back(seconds_since(begin));
  }
  subject.n_vocab = subject.engine->tokenizer()->n_tokens();
  const engine::EngineStats stats = subject.engine->stats();
  subject.weight_bytes = stats.weight_bytes;
  subject.buffer_bytes = stats.buffer_bytes;
  subject.work = work_of(*file);
  return subject;
}

void forget_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

ProcessMemory process_memory() { return {status_bytes("VmHWM:"), status_bytes("RssAnon:")}; }

}  // namespace da::cli::bench
