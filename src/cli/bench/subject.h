#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "gguf/gguf.h"

namespace da::cli::bench {

// What a forward pass has to do at least, from the model's file.
struct Work {
  uint64_t step_bytes = 0;     // weights read by a step of one token
  uint64_t row_values = 0;     // weights that each row is multiplied with, output matrix aside
  uint64_t output_values = 0;  // those of the output matrix
  gguf::TensorType type{};     // of most weights
};
Work work_of(const gguf::File& file);

// By turns, so that each finds the memory that the other left: new memory is slow where a virtual machine has to fetch
// it from its host first.
struct LoadTimes {
  std::vector<double> load_seconds;  // from the file to an engine that takes requests
  std::vector<double> read_seconds;  // of the file from the page cache into as much new memory, by as many threads
  double read_buffer_seconds = 0;    // and into small buffers
  std::vector<double> over_read() const;
};

// A model in an engine of its own, and what its loading told.
struct Subject {
  std::unique_ptr<engine::Engine> engine;
  std::string description;  // of the backend
  int32_t n_vocab = 0;
  uint64_t file_bytes = 0, weight_bytes = 0, buffer_bytes = 0;
  Work work;
  LoadTimes times;

  uint64_t kv_bytes() const { return engine->stats().kv_bytes; }
  double kv_bytes_per_token() const;  // 0 before the first request
};

// `fd` is the model's file. Errors: those of reading it and of engine::load_engine.
// `n_loads`: how often it is loaded; the last one stays.
Result<Subject> load_subject(int fd, const std::string& name, const engine::EngineOptions& options, int n_loads);

struct ProcessMemory {
  uint64_t peak_bytes = 0;       // resident at most, mapped files included
  uint64_t anonymous_bytes = 0;  // resident now, of no file
};
void forget_peak_memory();  // measured from here on, where the system allows that
ProcessMemory process_memory();

}  // namespace da::cli::bench
