#include "engine/grammar/source_index.h"

#include <algorithm>

#include "base/utf8.h"
#include "base/white_space.h"
#include "engine/grammar/suffix_array.h"
#include "tokenizer/unicode.h"

namespace da::grammar {
namespace {

constexpr char32_t kJoiner = 0x200D;  // between the parts of one emoji

bool is_word(char32_t c) { return (tokenizer::char_class(c) & (tokenizer::kLetter | tokenizer::kNumber)) != 0; }

// Letters and digits that are written without a space only inside a word: not those of Thai, Lao, Tibetan, Burmese and
// Khmer, nor ideographs, kana and hangul with what grammar hangs on to it.
bool is_spaced_word(char32_t c) {
  if (c < 0x0E00) return is_word(c);
  const bool spaced = (c >= 0x10A0 && c < 0x1780) || (c >= 0x1800 && c < 0x1950) || (c >= 0x1C80 && c < 0x2E80) ||
                      (c >= 0xA640 && c < 0xA960);
  return spaced && is_word(c) && !(c >= 0x1100 && c < 0x1200);
}

}  // namespace

Result<std::unique_ptr<SourceIndex>> SourceIndex::build(std::string_view source) {
  if (source.size() > kMaxCodePoints * 4) {
    return Status(ErrorCode::kResourceExhausted,
                  "source: " + std::to_string(source.size()) + " bytes, too long to index");
  }
  if (const auto offset = utf8::find_invalid(source)) {
    return Status(ErrorCode::kInvalidArgument, "source: not UTF-8 at byte " + std::to_string(*offset));
  }
  std::vector<char32_t> text = utf8::to_code_points(source);
  if (text.size() > kMaxCodePoints) {
    return Status(ErrorCode::kResourceExhausted, "source: " + std::to_string(text.size()) + " characters, at most " +
                                                     std::to_string(kMaxCodePoints) + " can be indexed");
  }
  const auto visible = [](char32_t c) { return !utf8::is_blank(c); };
  text.erase(std::find_if(text.rbegin(), text.rend(), visible).base(), text.end());
  text.erase(text.begin(), std::find_if(text.begin(), text.end(), visible));
  return std::unique_ptr<SourceIndex>(new SourceIndex(std::move(text)));
}

SourceIndex::SourceIndex(std::vector<char32_t> text) : text_(std::move(text)) {
  std::vector<char32_t> alphabet(text_);
  std::sort(alphabet.begin(), alphabet.end());
  alphabet.erase(std::unique(alphabet.begin(), alphabet.end()), alphabet.end());
  std::vector<int32_t> ranks(text_.size());
  for (size_t i = 0; i < text_.size(); ++i) {
    const auto rank = std::lower_bound(alphabet.begin(), alphabet.end(), text_[i]) - alphabet.begin();
    ranks[i] = static_cast<int32_t>(rank);
  }
  find_joined();
  for (const int32_t at : suffix_array(ranks, static_cast<int32_t>(alphabet.size()))) {
    const auto place = static_cast<size_t>(at);
    if (utf8::is_blank(text_[place]) || joined_[place]) continue;
    if (firsts_.empty() || firsts_.back().code_point != text_[place])
      firsts_.push_back({text_[place], static_cast<uint32_t>(positions_.size())});
    positions_.push_back(static_cast<uint32_t>(at));
  }
  positions_.shrink_to_fit();
  firsts_.push_back({kNoCodePoint, static_cast<uint32_t>(positions_.size())});
  measure_distances(alphabet);
}

void SourceIndex::measure_distances(const std::vector<char32_t>& alphabet) {
  const bool any_word = std::any_of(alphabet.begin(), alphabet.end(), is_word);
  to_word_.resize(text_.size());
  to_end_.resize(text_.size());
  uint32_t word = 0, end = 0;  // distances, in whole
  for (size_t i = text_.size(); i-- > 0;) {
    const bool blank = utf8::is_blank(text_[i]);
    end = blank || joined_[i + 1] ? end + 1 : 0;
    word = (any_word ? is_word(text_[i]) : !blank) ? 0 : word + 1;
    longest_gap_ = std::max({longest_gap_, word, end});
    to_end_[i] = static_cast<uint8_t>(std::min(end, kHop));
    to_word_[i] = static_cast<uint8_t>(std::min(word, kHop));
  }
}

// A "word" longer than any is no word: it may be cut anywhere.
void SourceIndex::find_joined() {
  constexpr size_t kLongestWord = 64;
  joined_.assign(text_.size() + 1, false);
  for (size_t at = 1, begin = 1; at <= text_.size(); ++at) {
    if (is_joined(at)) {
      joined_[at] = true;
      continue;
    }
    if (at - begin >= kLongestWord) {
      std::fill(joined_.begin() + static_cast<ptrdiff_t>(begin), joined_.begin() + static_cast<ptrdiff_t>(at), false);
      has_long_words_ = true;
    }
    begin = at + 1;
  }
}

// Whether the character at `at` belongs to the one before it: inside words of scripts that put spaces between them,
// inside numbers such as 1,234.5, and before marks.
bool SourceIndex::is_joined(size_t at) const {
  if (at == 0 || at >= text_.size()) return false;
  const char32_t before = text_[at - 1], here = text_[at];
  if ((tokenizer::char_class(here) & tokenizer::kMark) != 0 || here == kJoiner || before == kJoiner) return true;
  if (is_spaced_word(before) && is_spaced_word(here)) return true;
  const auto is_digit = [&](size_t i) { return i < text_.size() && text_[i] >= '0' && text_[i] <= '9'; };
  const auto is_point = [](char32_t c) { return c == '.' || c == ','; };
  return (is_point(here) && is_digit(at - 1) && is_digit(at + 1)) ||
         (is_point(before) && at >= 2 && is_digit(at - 2) && is_digit(at));
}

// Strings with the same next character end alike, but for points, after which the next but one counts, and inside long
// words. The search gives up where that of SourceWalk does.
bool SourceIndex::may_end(Run run, uint32_t length) const {
  int patience = kPatience;
  for (uint32_t rank = run.begin; rank < run.end && --patience >= 0;) {
    const uint32_t last = positions_[rank] + length - 1;
    if (to_end_[last] == 0) return true;
    const uint32_t next = key(rank, length);
    const bool is_point = next == uint32_t{'.'} + 1 || next == uint32_t{','} + 1;
    rank = is_point || has_long_words_ ? rank + 1 : lower_bound({rank, run.end}, length, next + 1);
  }
  return false;
}

uint32_t SourceIndex::lower_bound(Run run, uint32_t depth, uint32_t wanted) const {
  uint32_t begin = run.begin;
  for (uint32_t n = run.size(); n > 0;) {
    const uint32_t half = n / 2;
    if (key(begin + half, depth) < wanted) {
      begin += half + 1;
      n -= half + 1;
    } else {
      n = half;
    }
  }
  return begin;
}

SourceIndex::Run SourceIndex::narrow(Run run, uint32_t depth, char32_t code_point) const {
  if (depth == 0) {
    const auto found = std::lower_bound(firsts_.begin(), firsts_.end() - 1, code_point,
                                        [](const First& f, char32_t c) { return f.code_point < c; });
    if (found->code_point != code_point) return {};
    return {found->begin, (found + 1)->begin};
  }
  const uint32_t wanted = static_cast<uint32_t>(code_point) + 1;
  if (run.size() == 1) return key(run.begin, depth) == wanted ? run : Run{};
  const uint32_t begin = lower_bound(run, depth, wanted);
  if (begin == run.end || key(begin, depth) != wanted) return {};
  return {begin, lower_bound({begin, run.end}, depth, wanted + 1)};
}

char32_t SourceIndex::next_code_point(Run run, uint32_t depth, char32_t from) const {
  if (depth == 0) {
    return std::lower_bound(firsts_.begin(), firsts_.end() - 1, from,
                            [](const First& f, char32_t c) { return f.code_point < c; })
        ->code_point;
  }
  const uint32_t rank = lower_bound(run, depth, static_cast<uint32_t>(from) + 1);
  return rank == run.end ? kNoCodePoint : static_cast<char32_t>(key(rank, depth) - 1);
}

}  // namespace da::grammar
