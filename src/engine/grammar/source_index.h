#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace da::grammar {

// All substrings of a text, walked code point by code point like an automaton. A state is the run of the text's sorted
// suffixes that start with what was walked so far (a suffix array: 8 bytes a code point, where a suffix automaton's
// states and edges take five times that). Blank characters at both ends of the text are left out. Immutable.
class SourceIndex {
 public:
  static constexpr size_t kMaxCodePoints = size_t{1} << 24;

  struct Run {
    uint32_t begin = 0, end = 0;  // into the sorted suffixes
    bool empty() const { return begin == end; }
    uint32_t size() const { return end - begin; }
  };

  // kInvalidArgument (not UTF-8: the offset), kResourceExhausted (longer than kMaxCodePoints).
  static Result<std::unique_ptr<SourceIndex>> build(std::string_view source);

  uint32_t size() const { return static_cast<uint32_t>(text_.size()); }
  Run all() const { return {0, size()}; }
  // What remains of `run`, of strings of `depth` code points, when `code_point` follows.
  Run narrow(Run run, uint32_t depth, char32_t code_point) const;
  // The smallest code point >= `from` that may follow, or kNoCodePoint.
  static constexpr char32_t kNoCodePoint = 0xFFFFFFFF;
  char32_t next_code_point(Run run, uint32_t depth, char32_t from) const;
  // The code point at `place` of the strings of `run`.
  char32_t code_point(Run run, uint32_t place) const { return text_[positions_[run.begin] + place]; }
  // Where the strings of the run start in the text.
  uint32_t position(uint32_t rank) const { return positions_[rank]; }

  uint32_t longest_blank_run() const { return longest_blank_run_; }
  // Whether a string of `run` can be continued to one that ends with a visible character, by at most `n` code points.
  bool visible_within(Run run, uint32_t depth, uint32_t n) const;

 private:
  explicit SourceIndex(std::vector<char32_t> text);
  // 0 for the end of the text, else code point + 1: the order of the suffixes.
  uint32_t key(uint32_t rank, uint32_t depth) const {
    const size_t at = size_t{positions_[rank]} + depth;
    return at < text_.size() ? static_cast<uint32_t>(text_[at]) + 1 : 0;
  }
  // First rank of the run whose key at `depth` is at least `wanted`.
  uint32_t lower_bound(Run run, uint32_t depth, uint32_t wanted) const;
  bool visible_within(Run run, uint32_t depth, uint32_t n, int& budget) const;

  struct First {
    char32_t code_point;
    uint32_t begin;
  };
  std::vector<char32_t> text_;
  std::vector<uint32_t> positions_;
  std::vector<First> firsts_;      // the distinct code points, with the start of each one's run; a sentinel at the end
  std::vector<char32_t> blanks_;   // the distinct blank code points
  uint32_t longest_blank_run_ = 0;
};

}  // namespace da::grammar
