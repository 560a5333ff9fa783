#include "engine/prompt_lookup.h"

#include <algorithm>

namespace da::engine {
namespace {

constexpr int32_t kMostMatched = 24;  // a longer match is no better
// Before anything is known, by class of match, as if so many had been tried.
constexpr double kPriorTried = 4;
constexpr std::array<double, 5> kPrior = {0.3, 0.5, 0.65, 0.8, 0.9};
constexpr double kFading = 0.97;

}  // namespace

size_t PromptLookup::class_of(int32_t n_matched) {
  if (n_matched <= 2) return static_cast<size_t>(std::max(n_matched, 1) - 1);
  return n_matched <= 4 ? 2 : n_matched <= 8 ? 3 : 4;
}

PromptLookup::Guess PromptLookup::guess(std::span<const int32_t> tokens, int32_t most) const {
  Guess best;
  const auto n = static_cast<int32_t>(tokens.size());
  const auto at = [&](int32_t i) { return tokens[static_cast<size_t>(i)]; };
  int32_t begin = -1;
  for (int32_t end = n - 2; end >= 0 && best.n_matched < kMostMatched; --end) {
    if (at(end) != at(n - 1)) continue;
    int32_t length = 1;
    while (length < kMostMatched && length <= end && at(end - length) == at(n - 1 - length)) ++length;
    if (length <= best.n_matched) continue;  // of equals the latest
    best.n_matched = length;
    begin = end + 1;
  }
  if (begin < 0) return best;
  // What repeats itself goes on repeating itself: behind the text's end stands the guess.
  for (int32_t i = begin; static_cast<int32_t>(best.tokens.size()) < most; ++i)
    best.tokens.push_back(i < n ? at(i) : best.tokens[static_cast<size_t>(i - n)]);
  return best;
}

double PromptLookup::acceptance(int32_t n_matched) const {
  const size_t c = class_of(n_matched);
  return (records_[c].right + kPriorTried * kPrior[c]) / (records_[c].tried + kPriorTried);
}

void PromptLookup::observe(int32_t n_matched, int32_t n_accepted, bool next_was_wrong) {
  Record& record = records_[class_of(n_matched)];
  record.right += n_accepted;
  record.tried += n_accepted + (next_was_wrong ? 1 : 0);
}

void PromptLookup::fade() {
  for (Record& record : records_) {
    record.right *= kFading;
    record.tried *= kFading;
  }
}

}  // namespace da::engine
