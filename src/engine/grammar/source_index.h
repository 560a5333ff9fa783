#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace da::grammar {

// All substrings of a text that begin where a word, a number or a sign does, walked code point by code point like an
// automaton. A state is the run of the text's sorted suffixes that start with what was walked so far (a suffix array:
// at most 10 bytes a code point, where a suffix automaton's states and edges take five times that). Blank characters at
// both ends of the text are left out. Immutable.
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
  Run all() const { return {0, static_cast<uint32_t>(positions_.size())}; }
  // What remains of `run`, of strings of `depth` code points, when `code_point` follows.
  Run narrow(Run run, uint32_t depth, char32_t code_point) const;
  // The smallest code point >= `from` that may follow, or kNoCodePoint.
  static constexpr char32_t kNoCodePoint = 0xFFFFFFFF;
  char32_t next_code_point(Run run, uint32_t depth, char32_t from) const;
  // The code point at `place` of the strings of `run`.
  char32_t code_point(Run run, uint32_t place) const { return text_[positions_[run.begin] + place]; }
  // Where the strings of the run start in the text.
  uint32_t position(uint32_t rank) const { return positions_[rank]; }

  // Code points from `at` to the next letter or digit (0: it is one), or to the text's end. A text without any counts
  // all its visible characters as such, so that it can be quoted too.
  uint32_t to_word(uint32_t at) const { return hop(to_word_, at); }
  // The same to the next character that a quote may end with: visible, and the last of its word or number.
  uint32_t to_end(uint32_t at) const { return hop(to_end_, at); }
  // Places a search of one run looks at before it gives up, which only texts that repeat themselves endlessly see.
  static constexpr int kPatience = 1 << 16;
  // Whether one of the run's strings, cut to `length` characters, ends so.
  bool may_end(Run run, uint32_t length) const;
  // The longest stretch without a letter or digit.
  uint32_t longest_gap() const { return longest_gap_; }

 private:
  explicit SourceIndex(std::vector<char32_t> text);
  void measure_distances(const std::vector<char32_t>& alphabet);
  void find_joined();
  bool is_joined(size_t at) const;
  // 0 for the end of the text, else code point + 1: the order of the suffixes.
  uint32_t key(uint32_t rank, uint32_t depth) const {
    const size_t at = size_t{positions_[rank]} + depth;
    return at < text_.size() ? static_cast<uint32_t>(text_[at]) + 1 : 0;
  }
  // First rank of the run whose key at `depth` is at least `wanted`.
  uint32_t lower_bound(Run run, uint32_t depth, uint32_t wanted) const;
  // A distance, at each place; what does not fit a byte is found by several hops.
  static constexpr uint32_t kHop = 255;
  static uint32_t hop(const std::vector<uint8_t>& distances, uint32_t at) {
    uint32_t sum = 0;
    while (at + sum < distances.size() && distances[at + sum] == kHop) sum += kHop;
    return at + sum < distances.size() ? sum + distances[at + sum] : static_cast<uint32_t>(distances.size()) - at;
  }

  struct First {
    char32_t code_point;
    uint32_t begin;
  };
  std::vector<char32_t> text_;
  std::vector<uint32_t> positions_;
  std::vector<First> firsts_;  // the distinct code points, with the start of each one's run; a sentinel at the end
  std::vector<bool> joined_;   // [size() + 1] whether a character belongs to the one before it
  bool has_long_words_ = false;
  std::vector<uint8_t> to_word_, to_end_;
  uint32_t longest_gap_ = 0;
};

}  // namespace da::grammar
