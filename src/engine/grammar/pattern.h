#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace da::grammar {

// The regular subset of ECMAScript's patterns as an automaton over code points: literals, classes, \d \w \s, groups,
// alternatives, quantifiers and the anchors ^ and $. Look-around, back references, \b and \p are refused. A pattern
// without anchors holds if it matches anywhere, as JSON Schema has it. From every state some end is reached. Characters
// below U+0020, DEL and surrogates only come where the pattern names them. Immutable.
class Pattern {
 public:
  struct Edge {
    char32_t first, last;
    uint32_t target;
  };
  static constexpr uint32_t kStart = 0;
  static constexpr uint32_t kNone = UINT32_MAX;

  // Strings of at least `min` and at most `max` code points that match. Errors: kInvalidArgument (syntax, nothing
  // matches), kUnsupported (not in the subset), kResourceExhausted (too many states); the message says where.
  static Result<Pattern> compile(std::string_view pattern, uint32_t min, uint32_t max);
  // A format of JSON Schema as such a pattern, "" if it is none that is known.
  static std::string_view of_format(std::string_view format);

  uint32_t next(uint32_t state, char32_t c) const;
  // Where `state` goes by each character below U+0080, kNone for nowhere; null if the pattern has too many states for a table.
  const uint32_t* ascii_row(uint32_t state) const { return ascii_.empty() ? nullptr : &ascii_[size_t{state} * kAscii]; }
  // The first code point in [from, last] that may follow, or UINT32_MAX.
  char32_t first_in(uint32_t state, char32_t from, char32_t last) const;
  bool may_end(uint32_t state) const { return states_[state].bytes_left == 0; }
  // Of a short way to an end, written in JSON.
  uint32_t bytes_left(uint32_t state) const { return states_[state].bytes_left; }
  // At most so much longer the way becomes by one character.
  uint32_t growth() const { return growth_; }

 private:
  friend class PatternBuilder;
  struct State {
    uint32_t first_edge = 0, end_edge = 0;  // sorted by code point
    uint32_t bytes_left = 0;
  };
  static constexpr uint32_t kAscii = 128;
  static constexpr size_t kMaxTabled = 8192;
  std::vector<State> states_;
  std::vector<Edge> edges_;
  std::vector<uint32_t> ascii_;  // [n_states][kAscii] where a state goes by a character; empty for more than kMaxTabled
  uint32_t growth_ = 0;
};

}  // namespace da::grammar
