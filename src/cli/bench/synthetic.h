#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace da::cli::bench {

// "SHAPE:TYPE" is a model in a published model's shape with random weights: as fast as the real one, and nobody has to
// download it. TYPE is a file type with the real mix of tensor types ("Q4_K_M" has some Q6_K).
std::string shape_names();  // "tiny, llama3.2-1b, …"

struct SyntheticOptions {
  std::string spec;    // "llama3.2-1b:Q4_K_M"
  std::string folder;  // where the temporary file goes; "": TMPDIR or /tmp
  std::string keep;    // a path: the file is written there and stays
  int n_threads = 0;
  std::function<bool(double share)> progress;  // false stops with kCancelled
};

// Writes the model. Without `keep` the file has no name, so that it goes with the process, however that ends. Errors:
// kInvalidArgument (shape or type: the known are listed), kResourceExhausted (the disk), kIo, kCancelled.
Result<UniqueFd> write_synthetic(const SyntheticOptions& options);

}  // namespace da::cli::bench
