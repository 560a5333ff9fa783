#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace da::tokenizer {

// SentencePiece's precompiled normalization: what beginnings of a text are replaced by. The blob is the size of a
// compact double array in bytes, the array (little-endian words), and the replacements, each ended by a zero byte.
// Immutable.
class CharMap {
 public:
  CharMap() = default;
  // kCorruptData: the message says what.
  static Result<CharMap> parse(std::string_view blob);

  struct Match {
    size_t length = 0;  // bytes of the text, 0 if nothing is replaced
    std::string_view replacement;
  };
  // The longest beginning of `text` that has a replacement.
  Match longest(std::string_view text) const;

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;  // ends with a zero byte
};

}  // namespace da::tokenizer
