#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/gguf.h"

namespace da::model {

// Far above any model made so far, far below where a product of two could overflow 64 bits.
inline constexpr int64_t kMaxLayers = 1024, kMaxHeads = 4096, kMaxHeadDim = 1024, kMaxWidth = 1 << 20;
inline constexpr int64_t kMaxVocab = 1 << 24, kMaxContext = 1 << 27, kMaxExperts = 1024;

// Reads `<architecture>.<name>` keys, checks their range, and remembers which names it was asked for. Errors name the
// key, the value found and what it may be.
class KeyReader {
 public:
  explicit KeyReader(const gguf::File& file) : file_(file), prefix_(std::string(file.architecture()) + ".") {}

  const gguf::File& file() const { return file_; }
  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  bool has(std::string_view name);
  void ignore(std::string_view name) { known_.emplace_back(name); }

  // A whole number in [minimum, maximum].
  Result<int32_t> count(std::string_view name, int64_t minimum, int64_t maximum);
  Result<int32_t> count_or(std::string_view name, int64_t fallback, int64_t minimum, int64_t maximum);
  // One for each layer: an array of n_layers, or one number for all.
  Result<std::vector<int32_t>> counts(std::string_view name, int32_t n_layers, int64_t minimum, int64_t maximum);
  // A finite number in [minimum, maximum].
  Result<float> real(std::string_view name, double minimum, double maximum);
  Result<float> real_or(std::string_view name, float fallback, double minimum, double maximum);
  Result<bool> flag_or(std::string_view name, bool fallback);
  Result<std::string_view> text(std::string_view name);

  Status bad_value(std::string_view name, const std::string& found, const std::string& expected) const;

  // Keys of the architecture that nobody asked for (docs/model-files.md has the rule): an error for those that change
  // what is computed, a warning for the others, silence for those known to have no effect.
  Status check_unread(std::vector<std::string>& warnings) const;

 private:
  // A model without a key it needs is a broken file, not a missing thing.
  Status require(std::string_view name);

  const gguf::File& file_;
  std::string prefix_;
  std::vector<std::string> known_;
};

}  // namespace da::model
