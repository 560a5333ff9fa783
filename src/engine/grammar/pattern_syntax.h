#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace da::grammar {

using CodeRange = std::pair<char32_t, char32_t>;

// An automaton with free moves, as it comes out of a pattern.
struct PatternNodes {
  enum class Kind : uint8_t {
    kRanges,   // goes by one character of `ranges`
    kSplit,    // freely
    kAtStart,  // freely, before the first character
    kAtEnd,    // freely, after the last
    kMatch,
  };
  struct Node {
    Kind kind;
    uint32_t ranges = 0;                            // into `ranges`
    uint32_t out = UINT32_MAX, other = UINT32_MAX;  // none: UINT32_MAX
  };
  static constexpr size_t kMaxNodes = 20000;
  std::vector<Node> nodes;
  std::vector<std::vector<CodeRange>> ranges;  // sorted, apart
  uint32_t start = 0;
};

// kInvalidArgument, kUnsupported, kResourceExhausted; with the byte in the pattern.
Result<PatternNodes> parse_pattern(std::string_view pattern);

// Everything but controls and surrogates.
std::vector<CodeRange> any_character();

}  // namespace da::grammar
