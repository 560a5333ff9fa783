#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace da::engine {

// Guesses what comes next in a text from what came before: the tokens that followed where the latest ones stood the
// last time. Knows of its own guesses how often they were right.
class PromptLookup {
 public:
  struct Guess {
    std::vector<int32_t> tokens;
    int32_t n_matched = 0;  // tokens before them that are alike; more of them make a better guess
  };
  // At most `most` tokens; none if the last token is new.
  Guess guess(std::span<const int32_t> tokens, int32_t most) const;

  // The chance that a token of such a guess is right if those before it were.
  double acceptance(int32_t n_matched) const;
  // Of a guess, the first `n_accepted` tokens were right and the next was not, or was not asked for.
  void observe(int32_t n_matched, int32_t n_accepted, bool next_was_wrong);
  // Called at each step: what is remembered fades, so that a text may change its nature.
  void fade();

 private:
  static constexpr size_t kClasses = 5;
  static size_t class_of(int32_t n_matched);
  struct Record {
    double right = 0, tried = 0;
  };
  std::array<Record, kClasses> records_;
};

}  // namespace da::engine
