#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "gguf/gguf.h"
#include "gguf/writer.h"
#include "quant/importance.h"
#include "quant/mix.h"

namespace da::quant {

struct QuantizeProgress {
  std::string_view tensor;
  uint64_t bytes_done = 0, bytes_total = 0;  // of the input
};

struct QuantizeOptions {
  int n_threads = 0;                       // 0: the CPUs this process may use
  bool allow_requantize = false;           // take weights that were rounded to blocks before
  const Importance* importance = nullptr;  // outlives the writer; null: all inputs count the same
  // Now and then on the writing thread. Returning false stops the work with kCancelled.
  std::function<bool(const QuantizeProgress&)> progress;
};

// A writer of `file`'s model in `mix`, or as it is if `mix` is null (parts of a split model are joined either way). The
// work is done while it writes, a few megabytes at a time; errors then: kInvalidArgument names the tensor whose weights
// are not finite or too large, kCancelled, those of file.read(). `file`, mapped or not, must outlive the writer. Errors
// here: kInvalidArgument where weights were quantized before and that is not allowed, or a type needs an importance
// matrix.
Result<std::unique_ptr<gguf::Writer>> model_writer(const gguf::File& file, const Mix* mix,
                                                   const QuantizeOptions& options);

}  // namespace da::quant
