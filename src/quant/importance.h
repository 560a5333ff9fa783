#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/gguf.h"

namespace da::quant {

// An importance matrix: for the inputs of a model's products, how large they were on sample text (mean squares), by the
// name of the tensor they are multiplied with. Where a value's input is large its rounding error counts.
class Importance {
 public:
  // Reads either form of the file that is around: GGUF, or the older list of names and sums. Errors: kNotFound, kIo,
  // kCorruptData (names what is wrong, and the entry).
  static Result<Importance> open(const std::string& path);

  // Of each of a tensor's parts [n_parts][n_in], all positive with a mean of 1; empty if the file knows nothing of it.
  // Error: kInvalidArgument for another number of values than the tensor has inputs.
  Result<std::vector<float>> weights(const gguf::Tensor& tensor) const;
  size_t n_entries() const { return entries_.size(); }

 private:
  static Result<Importance> from_gguf(const gguf::File& file);
  static Result<Importance> from_list(std::span<const std::byte> bytes, const std::string& path);

  std::string name_;
  std::map<std::string, std::vector<float>, std::less<>> entries_;
};

}  // namespace da::quant
