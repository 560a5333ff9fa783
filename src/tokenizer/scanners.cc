#include "tokenizer/scanners.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "tokenizer/unicode.h"

namespace da::tokenizer {
namespace {

// A character of the text with its classes; past the last one its length is 0 and it has no class.
struct Seen {
  char32_t code_point = 0xFFFFFFFF;
  uint32_t length = 0;
  uint16_t classes = 0;
  bool is_end() const { return length == 0; }
  bool is(uint16_t any_of) const { return (classes & any_of) != 0; }
  bool is_newline() const { return code_point == '\r' || code_point == '\n'; }
};

class Cursor {
 public:
  Cursor(const char* text, size_t at, size_t end) : text_(text), at_(at), end_(end) { load(); }
  const Seen& seen() const { return seen_; }
  size_t at() const { return at_; }
  void advance() {
    at_ += seen_.length;
    load();
  }
  Seen peek() const {
    Cursor next = *this;
    next.advance();
    return next.seen_;
  }
  template <class Predicate>
  void skip_while(const Predicate& predicate) {
    while (!seen_.is_end() && predicate(seen_)) advance();
  }

 private:
  void load() {
    if (at_ >= end_) {
      seen_ = Seen{};
      return;
    }
    const Character character = decode_unchecked(text_ + at_);
    seen_ = {character.code_point, character.length, char_class(character.code_point)};
  }
  const char* text_;
  size_t at_, end_;
  Seen seen_;
};

// Length of 's 't 'm 'd 're 've 'll at `at`, 0 if there is none.
size_t contraction_length(const char* text, size_t at, size_t end, bool any_case) {
  if (at + 1 >= end || text[at] != '\'') return 0;
  const auto letter = [&](size_t i) {
    const char c = text[i];
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = letter(at + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (at + 2 >= end) return 0;
  const char second = letter(at + 2);
  return ((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l') ? 3 : 0;
}

// \s*[\r\n]+|\s+(?!\S)|\s+ at white space; without `newlines` only the last two.
size_t scan_spaces(Cursor cursor, bool newlines) {
  const size_t begin = cursor.at();
  size_t after_newline = begin, last = begin;
  while (cursor.seen().is(kSpace)) {
    last = cursor.at();
    const bool is_newline = cursor.seen().is_newline();
    cursor.advance();
    if (is_newline) after_newline = cursor.at();
  }
  if (newlines && after_newline > begin) return after_newline;
  // The last space stays for the word that follows, unless it is the only one.
  return !cursor.seen().is_end() && last > begin ? last : cursor.at();
}

struct Rules {
  uint16_t letters = kLetter;
  bool any_digit_triple = false;  // \p{N}{1,3} instead of \p{N}
};

// The rule family of tiktoken's cl100k_base.
template <Rules kRules>
size_t scan_cl100k(const char* text, size_t begin, size_t end) {
  if (const size_t length = contraction_length(text, begin, end, true)) return begin + length;
  Cursor cursor(text, begin, end);
  const Seen first = cursor.seen();
  if (!first.is_newline() && !first.is(kNumber)) {
    if (first.is(kRules.letters) || cursor.peek().is(kRules.letters)) {
      cursor.advance();
      cursor.skip_while([](const Seen& seen) { return seen.is(kRules.letters); });
      return cursor.at();
    }
  }
  if (first.is(kNumber)) {
    for (int n = 0; n < (kRules.any_digit_triple ? 3 : 1) && cursor.seen().is(kNumber); ++n) cursor.advance();
    return cursor.at();
  }
  const auto is_other = [](const Seen& seen) { return !seen.is_end() && !seen.is(kSpace | kNumber | kRules.letters); };
  if (is_other(first) || (first.code_point == ' ' && is_other(cursor.peek()))) {
    cursor.advance();
    cursor.skip_while(is_other);
    cursor.skip_while([](const Seen& seen) { return seen.is_newline(); });
    return cursor.at();
  }
  return scan_spaces(cursor, true);
}

// Letters without case, and marks, stand among capitals and small letters alike.
bool is_caseless(const Seen& seen) { return seen.is(kMark) || (seen.is(kLetter) && !seen.is(kUpper | kLower)); }

// The rule family of tiktoken's o200k_base: words end where capitals begin again.
template <bool kContractions, bool kDigitTriples>
size_t scan_o200k(const char* text, size_t begin, size_t end) {
  Cursor cursor(text, begin, end);
  const Seen first = cursor.seen();
  const auto is_wordlike = [](const Seen& seen) { return seen.is(kLetter | kMark); };
  const auto contraction_end = [&](size_t at) {
    return kContractions ? at + contraction_length(text, at, end, true) : at;
  };
  const bool prefixed = !first.is_newline() && !first.is(kLetter | kNumber) && is_wordlike(cursor.peek());
  if (prefixed || is_wordlike(first)) {
    // A mark may serve as the optional first character or as part of the word: the piece is the same.
    if (!is_wordlike(first)) cursor.advance();
    // [capital or caseless]*[small or caseless]+. If no small letter follows, the greedy first part gives back
    // characters until the second finds one: the word ends after the last caseless one, or, without any, where the
    // capitals end.
    size_t after_caseless = 0;
    while (cursor.seen().is(kUpper) || is_caseless(cursor.seen())) {
      const bool caseless = is_caseless(cursor.seen());
      cursor.advance();
      if (caseless) after_caseless = cursor.at();
    }
    if (!cursor.seen().is(kLower) && after_caseless > 0) return contraction_end(after_caseless);
    cursor.skip_while([](const Seen& seen) { return seen.is(kLower) || is_caseless(seen); });
    return contraction_end(cursor.at());
  }
  if (first.is(kNumber)) {
    for (int n = 0; n < (kDigitTriples ? 3 : 1) && cursor.seen().is(kNumber); ++n) cursor.advance();
    return cursor.at();
  }
  const auto is_other = [](const Seen& seen) { return !seen.is_end() && !seen.is(kSpace | kNumber | kLetter); };
  if (is_other(first) || (first.code_point == ' ' && is_other(cursor.peek()))) {
    cursor.advance();
    cursor.skip_while(is_other);
    cursor.skip_while([](const Seen& seen) { return seen.is_newline() || seen.code_point == '/'; });
    return cursor.at();
  }
  return scan_spaces(cursor, true);
}

bool is_ascii_letter(char32_t c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '~' && !is_ascii_letter(c));
}

// The class the published rule of deepseek-llm spells out: letters with case, as far as its authors knew them.
bool is_cased_letter(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr Range kRanges[] = {
      {0x41, 0x5A},       {0x61, 0x7A},       {0xB5, 0xB5},       {0xC0, 0xD6},       {0xD8, 0xF6},
      {0xF8, 0x1BA},      {0x1BC, 0x1BF},     {0x1C4, 0x293},     {0x295, 0x2AF},     {0x370, 0x373},
      {0x376, 0x377},     {0x37B, 0x37D},     {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},
      {0x38C, 0x38C},     {0x38E, 0x3A1},     {0x3A3, 0x3F5},     {0x3F7, 0x481},     {0x48A, 0x52F},
      {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},   {0x13F8, 0x13FD},   {0x1C90, 0x1CBA},
      {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},   {0x1D6B, 0x1D77},   {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},
      {0x1F18, 0x1F1D},   {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},
      {0x1F5B, 0x1F5B},   {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},   {0x1FB6, 0x1FBC},
      {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},   {0x1FD0, 0x1FD3},   {0x1FD6, 0x1FDB},
      {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},   {0x1FF6, 0x1FFC},   {0x2102, 0x2102},   {0x2107, 0x2107},
      {0x210A, 0x2113},   {0x2115, 0x2115},   {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},
      {0x2128, 0x2128},   {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},   {0x213C, 0x213F},
      {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2184},   {0x2C00, 0x2C7B},   {0x2C7E, 0x2CE4},
      {0x2CEB, 0x2CEE},   {0x2CF2, 0x2CF3},   {0xA640, 0xA66D},   {0xA680, 0xA69B},   {0xA722, 0xA76F},
      {0xA771, 0xA787},   {0xA78B, 0xA78E},   {0xAB70, 0xABBF},   {0xFB00, 0xFB06},   {0xFB13, 0xFB17},
      {0xFF21, 0xFF3A},   {0xFF41, 0xFF5A},   {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB},
      {0x10C80, 0x10CB2}, {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943},
  };
  if (c < 0x80) return is_ascii_letter(c);
  const auto* range = std::lower_bound(std::begin(kRanges), std::end(kRanges), c,
                                       [](const Range& candidate, char32_t wanted) { return candidate.last < wanted; });
  return range != std::end(kRanges) && c >= range->first;
}

bool is_falcon_punctuation(const Seen& seen) {
  switch (seen.code_point) {
    case '$':
    case '+':
    case '<':
    case '=':
    case '>':
    case '^':
    case '~':
    case '|':
      return true;
    default:
      return seen.is(kPunctuation);
  }
}

// A run of matching characters, or the run between two of them.
template <class Predicate>
size_t isolate_runs(const char* text, size_t begin, size_t end, const Predicate& matches) {
  Cursor cursor(text, begin, end);
  const bool first = matches(cursor.seen());
  cursor.skip_while([&](const Seen& seen) { return matches(seen) == first; });
  return cursor.at();
}

// Pieces of at most `most` matching characters, or the run between two of them.
template <class Predicate>
size_t isolate_groups(const char* text, size_t begin, size_t end, int most, const Predicate& matches) {
  Cursor cursor(text, begin, end);
  if (matches(cursor.seen())) {
    for (int n = 0; n < most && matches(cursor.seen()); ++n) cursor.advance();
  } else {
    cursor.skip_while([&](const Seen& seen) { return !matches(seen); });
  }
  return cursor.at();
}

// \s?[matching]+, or the run between two of them.
template <class Predicate>
size_t isolate_runs_after_space(const char* text, size_t begin, size_t end, const Predicate& matches) {
  Cursor cursor(text, begin, end);
  const auto starts = [&](const Cursor& at) {
    return matches(at.seen()) || (at.seen().is(kSpace) && matches(at.peek()));
  };
  if (starts(cursor)) {
    cursor.advance();
    cursor.skip_while(matches);
    return cursor.at();
  }
  while (!cursor.seen().is_end() && !starts(cursor)) cursor.advance();
  return cursor.at();
}

}  // namespace

size_t scan_llama3(const char* text, size_t begin, size_t end) {
  return scan_cl100k<Rules{.letters = kLetter, .any_digit_triple = true}>(text, begin, end);
}

size_t scan_qwen2(const char* text, size_t begin, size_t end) {
  return scan_cl100k<Rules{.letters = kLetter, .any_digit_triple = false}>(text, begin, end);
}

size_t scan_qwen35(const char* text, size_t begin, size_t end) {
  return scan_cl100k<Rules{.letters = kLetter | kMark, .any_digit_triple = false}>(text, begin, end);
}

size_t scan_gpt4o(const char* text, size_t begin, size_t end) { return scan_o200k<true, true>(text, begin, end); }

size_t scan_tekken(const char* text, size_t begin, size_t end) { return scan_o200k<false, false>(text, begin, end); }

size_t scan_gpt2(const char* text, size_t begin, size_t end) {
  if (const size_t length = contraction_length(text, begin, end, false)) return begin + length;
  Cursor cursor(text, begin, end);
  Seen kind = cursor.seen();
  if (kind.code_point == ' ') {
    const Seen following = cursor.peek();
    if (!following.is_end()) kind = following;
  }
  if (kind.is(kSpace)) return scan_spaces(cursor, false);
  const uint16_t run = kind.classes & (kLetter | kNumber);
  cursor.advance();
  cursor.skip_while([run](const Seen& seen) { return run != 0 ? seen.is(run) : !seen.is(kSpace | kLetter | kNumber); });
  return cursor.at();
}

size_t scan_deepseek3(const char* text, size_t begin, size_t end) {
  Cursor cursor(text, begin, end);
  const Seen first = cursor.seen();
  const Seen second = cursor.peek();
  if (is_ascii_punctuation(first.code_point) && is_ascii_letter(second.code_point)) {
    cursor.advance();
    cursor.skip_while([](const Seen& seen) { return is_ascii_letter(seen.code_point); });
    return cursor.at();
  }
  const auto is_word = [](const Seen& seen) { return seen.is(kLetter | kMark); };
  if (is_word(first) || (!first.is_newline() && !first.is(kLetter | kPunctuation | kSymbol) && is_word(second))) {
    cursor.advance();
    cursor.skip_while(is_word);
    return cursor.at();
  }
  const auto is_sign = [](const Seen& seen) { return seen.is(kPunctuation | kSymbol); };
  if (is_sign(first) || (first.code_point == ' ' && is_sign(second))) {
    cursor.advance();
    cursor.skip_while(is_sign);
    cursor.skip_while([](const Seen& seen) { return seen.is_newline(); });
    return cursor.at();
  }
  if (first.is(kSpace)) return scan_spaces(cursor, true);
  // What no alternative matches (numbers, controls) stays together up to the next match.
  const auto starts_match = [&](const Cursor& at) {
    const Seen seen = at.seen();
    if (seen.is(kSpace | kLetter | kMark | kPunctuation | kSymbol)) return true;
    return is_word(at.peek());
  };
  while (!cursor.seen().is_end() && !starts_match(cursor)) cursor.advance();
  return cursor.at();
}

size_t isolate_punctuation(const char* text, size_t begin, size_t end) {
  return isolate_runs(text, begin, end, is_falcon_punctuation);
}

size_t isolate_punctuation_or_grave(const char* text, size_t begin, size_t end) {
  return isolate_runs(text, begin, end,
                      [](const Seen& seen) { return seen.code_point == '`' || is_falcon_punctuation(seen); });
}

size_t isolate_numbers(const char* text, size_t begin, size_t end) {
  return isolate_runs(text, begin, end, [](const Seen& seen) { return seen.is(kNumber); });
}

size_t isolate_number(const char* text, size_t begin, size_t end) {
  return isolate_groups(text, begin, end, 1, [](const Seen& seen) { return seen.is(kNumber); });
}

size_t isolate_number_triples(const char* text, size_t begin, size_t end) {
  return isolate_groups(text, begin, end, 3, [](const Seen& seen) { return seen.is(kNumber); });
}

size_t isolate_ascii_triples(const char* text, size_t begin, size_t end) {
  const auto triple_at = [&](size_t at) {
    const auto digit = [&](size_t i) { return text[i] >= '0' && text[i] <= '9'; };
    return at + 3 <= end && digit(at) && digit(at + 1) && digit(at + 2);
  };
  if (triple_at(begin)) return begin + 3;
  size_t at = begin + 1;
  while (at < end && !triple_at(at)) ++at;
  return at;
}

size_t isolate_newline(const char* text, size_t begin, size_t end) {
  return isolate_groups(text, begin, end, 1, [](const Seen& seen) { return seen.is_newline(); });
}

size_t isolate_cased_letters(const char* text, size_t begin, size_t end) {
  return isolate_runs_after_space(text, begin, end, [](const Seen& seen) { return is_cased_letter(seen.code_point); });
}

size_t isolate_letters(const char* text, size_t begin, size_t end) {
  return isolate_runs_after_space(text, begin, end, [](const Seen& seen) { return seen.is(kLetter); });
}

size_t isolate_punctuation_after_space(const char* text, size_t begin, size_t end) {
  return isolate_runs_after_space(text, begin, end, [](const Seen& seen) { return seen.is(kPunctuation); });
}

size_t isolate_fullwidth_punctuation(const char* text, size_t begin, size_t end) {
  return isolate_runs_after_space(text, begin, end, [](const Seen& seen) {
    const char32_t c = seen.code_point;
    // U+3000 is in the published class too, but the reference has made it plain white space before it looks.
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '~') || (c >= 0xFF01 && c <= 0xFF0F) ||
           (c >= 0xFF1A && c <= 0xFF5E) || (c >= 0x2018 && c <= 0x201F) || c == 0x3001 || c == 0x3002;
  });
}

size_t isolate_trailing_space(const char* text, size_t begin, size_t end) {
  // Backwards from the end; a character's first byte is the one that continues none.
  size_t run = end;
  while (run > begin) {
    size_t at = run - 1;
    while (at > begin && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    if ((char_class(decode_unchecked(text + at).code_point) & kSpace) == 0) break;
    run = at;
  }
  return run == begin ? end : run;
}

size_t isolate_cjk(const char* text, size_t begin, size_t end) {
  return isolate_runs(text, begin, end, [](const Seen& seen) {
    const char32_t c = seen.code_point;
    return ((c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x0800 && c <= 0x4E00) || (c >= 0xAC00 && c <= 0xD7FF)) &&
           !seen.is(kSpace);
  });
}

size_t isolate_cjk_kana(const char* text, size_t begin, size_t end) {
  return isolate_runs(text, begin, end, [](const Seen& seen) {
    const char32_t c = seen.code_point;
    return (c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF);
  });
}

}  // namespace da::tokenizer
