#include "engine/grammar/source_index.h"

#include <algorithm>

#include "base/utf8.h"
#include "base/white_space.h"
#include "engine/grammar/suffix_array.h"
#include "tokenizer/unicode.h"

namespace da::grammar {

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
  std::vector<uint32_t> counts(alphabet.size(), 0);
  for (size_t i = 0; i < text_.size(); ++i) {
    const auto rank = std::lower_bound(alphabet.begin(), alphabet.end(), text_[i]) - alphabet.begin();
    ranks[i] = static_cast<int32_t>(rank);
    ++counts[static_cast<size_t>(rank)];
  }
  uint32_t begin = 0;
  for (size_t c = 0; c < alphabet.size(); ++c) {
    firsts_.push_back({alphabet[c], begin});
    begin += counts[c];
  }
  firsts_.push_back({kNoCodePoint, begin});
  const std::vector<int32_t> order = suffix_array(ranks, static_cast<int32_t>(alphabet.size()));
  positions_.assign(order.begin(), order.end());
  measure_distances(alphabet);
}

void SourceIndex::measure_distances(const std::vector<char32_t>& alphabet) {
  const auto is_word = [](char32_t c) {
    return (tokenizer::char_class(c) & (tokenizer::kLetter | tokenizer::kNumber)) != 0;
  };
  const bool any_word = std::any_of(alphabet.begin(), alphabet.end(), is_word);
  to_word_.resize(text_.size());
  to_visible_.resize(text_.size());
  uint32_t word = 0, visible = 0;  // distances, in whole
  for (size_t i = text_.size(); i-- > 0;) {
    visible = utf8::is_blank(text_[i]) ? visible + 1 : 0;
    word = any_word && !is_word(text_[i]) ? word + 1 : any_word ? 0 : visible;
    longest_gap_ = std::max(longest_gap_, word);
    to_visible_[i] = static_cast<uint8_t>(std::min(visible, kHop));
    to_word_[i] = static_cast<uint8_t>(std::min(word, kHop));
  }
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
