#include "tokenizer/scanners.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "tokenizer/cursor.h"

namespace da::tokenizer {
namespace {

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

// \s*[\r\n]+|\s{512}(?!\S)|…|\s{4}(?!\S)|\s{1,2}(?!\S)|\s at white space.
size_t scan_spaces_by_size(Cursor cursor, const Seen& before) {
  const size_t begin = cursor.at();
  // Behind a blank the run has no newline any more, or it would have been taken up to it: only so far is looked.
  const bool has_no_newline = before.is(kSpace) && !before.is_newline();
  // Where as many spaces have been seen as an alternative asks for, if it may end there.
  size_t n = 0, after_one = begin, after_newline = begin, wanted = begin;
  while (cursor.seen().is(kSpace) && (n < 512 || !has_no_newline)) {
    const bool is_newline = cursor.seen().is_newline();
    cursor.advance();
    if (is_newline) after_newline = cursor.at();
    if (++n == 1) after_one = cursor.at();
    const bool is_size = n <= 512 && n != 1 && (n & (n - 1)) == 0;
    if (is_size && (cursor.seen().is(kSpace) || cursor.seen().is_end())) wanted = cursor.at();
  }
  if (after_newline > begin) return after_newline;
  return wanted > begin ? wanted : after_one;
}

struct Rules {
  uint16_t letters = kLetter;
  bool any_digit_triple = false;      // \p{N}{1,3} instead of \p{N}
  bool newlines_follow_signs = true;  // [\r\n]* after other signs
  bool spaces_by_size = false;
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
    if (kRules.newlines_follow_signs) cursor.skip_while([](const Seen& seen) { return seen.is_newline(); });
    return cursor.at();
  }
  return kRules.spaces_by_size ? scan_spaces_by_size(cursor, seen_before(text, begin)) : scan_spaces(cursor, true);
}

// Script=Han, Unicode 15.1.
bool is_han(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr Range kRanges[] = {
      {0x2E80, 0x2E99},   {0x2E9B, 0x2EF3},   {0x2F00, 0x2FD5},   {0x3005, 0x3005},   {0x3007, 0x3007},
      {0x3021, 0x3029},   {0x3038, 0x303B},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFA6D},
      {0xFA70, 0xFAD9},   {0x16FE2, 0x16FE3}, {0x16FF0, 0x16FF1}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B739},
      {0x2B740, 0x2B81D}, {0x2B820, 0x2CEA1}, {0x2CEB0, 0x2EBE0}, {0x2EBF0, 0x2EE5D}, {0x2F800, 0x2FA1D},
      {0x30000, 0x3134A}, {0x31350, 0x323AF},
  };
  if (c < kRanges[0].first) return false;
  const auto* range = std::lower_bound(std::begin(kRanges), std::end(kRanges), c,
                                       [](const Range& candidate, char32_t wanted) { return candidate.last < wanted; });
  return range != std::end(kRanges) && c >= range->first;
}

// Letters without case, and marks, stand among capitals and small letters alike.
bool is_caseless(const Seen& seen) { return seen.is(kMark) || (seen.is(kLetter) && !seen.is(kUpper | kLower)); }

// The rule family of tiktoken's o200k_base: words end where capitals begin again.
struct WordRules {
  bool contractions = true;
  bool digit_triples = true;
  bool slashes_follow_signs = true;
  bool han_apart = false;  // [\p{Han}]+ first, and no such character in other words
};

template <WordRules kRules>
size_t scan_o200k(const char* text, size_t begin, size_t end) {
  Cursor cursor(text, begin, end);
  const Seen first = cursor.seen();
  if (kRules.han_apart && is_han(first.code_point)) {
    cursor.skip_while([](const Seen& seen) { return is_han(seen.code_point); });
    return cursor.at();
  }
  const auto is_here = [](const Seen& seen) { return !kRules.han_apart || !is_han(seen.code_point); };
  const auto is_wordlike = [&](const Seen& seen) { return seen.is(kLetter | kMark) && is_here(seen); };
  const auto contraction_end = [&](size_t at) {
    return kRules.contractions ? at + contraction_length(text, at, end, true) : at;
  };
  const bool prefixed = !first.is_newline() && !first.is(kLetter | kNumber) && is_wordlike(cursor.peek());
  if (prefixed || is_wordlike(first)) {
    // A mark may serve as the optional first character or as part of the word: the piece is the same.
    if (!is_wordlike(first)) cursor.advance();
    // [capital or caseless]*[small or caseless]+. If no small letter follows, the greedy first part gives back
    // characters until the second finds one: the word ends after the last caseless one, or, without any, where the
    // capitals end.
    size_t after_caseless = 0;
    while (cursor.seen().is(kUpper) || (is_caseless(cursor.seen()) && is_here(cursor.seen()))) {
      const bool caseless = is_caseless(cursor.seen());
      cursor.advance();
      if (caseless) after_caseless = cursor.at();
    }
    if (!cursor.seen().is(kLower) && after_caseless > 0) return contraction_end(after_caseless);
    cursor.skip_while([&](const Seen& seen) { return seen.is(kLower) || (is_caseless(seen) && is_here(seen)); });
    return contraction_end(cursor.at());
  }
  if (first.is(kNumber)) {
    for (int n = 0; n < (kRules.digit_triples ? 3 : 1) && cursor.seen().is(kNumber); ++n) cursor.advance();
    return cursor.at();
  }
  const auto is_other = [](const Seen& seen) { return !seen.is_end() && !seen.is(kSpace | kNumber | kLetter); };
  if (is_other(first) || (first.code_point == ' ' && is_other(cursor.peek()))) {
    cursor.advance();
    cursor.skip_while(is_other);
    cursor.skip_while(
        [](const Seen& seen) { return seen.is_newline() || (kRules.slashes_follow_signs && seen.code_point == '/'); });
    return cursor.at();
  }
  return scan_spaces(cursor, true);
}

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '~' && !is_ascii_letter(c));
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

size_t scan_seed_coder(const char* text, size_t begin, size_t end) {
  return scan_cl100k<Rules{.newlines_follow_signs = false}>(text, begin, end);
}

size_t scan_jais2(const char* text, size_t begin, size_t end) {
  return scan_cl100k<Rules{.any_digit_triple = true, .spaces_by_size = true}>(text, begin, end);
}

size_t scan_gpt4o(const char* text, size_t begin, size_t end) { return scan_o200k<WordRules{}>(text, begin, end); }

size_t scan_tekken(const char* text, size_t begin, size_t end) {
  return scan_o200k<WordRules{.contractions = false, .digit_triples = false}>(text, begin, end);
}

size_t scan_youtu(const char* text, size_t begin, size_t end) {
  return scan_o200k<WordRules{.digit_triples = false}>(text, begin, end);
}

size_t scan_kimi(const char* text, size_t begin, size_t end) {
  return scan_o200k<WordRules{.slashes_follow_signs = false, .han_apart = true}>(text, begin, end);
}

size_t scan_exaone_moe(const char* text, size_t begin, size_t end) {
  if (const size_t length = contraction_length(text, begin, end, true)) return begin + length;
  Cursor cursor(text, begin, end);
  const Seen first = cursor.seen();
  if (first.is(kNumber)) {
    cursor.advance();
    return cursor.at();
  }
  if (first.is(kLetter) || (!first.is_newline() && cursor.peek().is(kLetter))) {
    // Several words are one piece while a single blank stands between them.
    if (!first.is(kLetter)) cursor.advance();
    while (cursor.seen().is(kLetter) || (cursor.seen().code_point == ' ' && cursor.peek().is(kLetter))) {
      if (cursor.seen().code_point == ' ') cursor.advance();
      cursor.advance();
      cursor.skip_while([](const Seen& seen) { return seen.is(kMark); });
    }
    return cursor.at();
  }
  const auto is_other = [](const Seen& seen) { return !seen.is_end() && !seen.is(kSpace | kNumber | kLetter); };
  if (is_other(first) || (first.code_point == ' ' && is_other(cursor.peek()))) {
    cursor.advance();
    cursor.skip_while(is_other);
    if (cursor.seen().is_newline() || cursor.seen().code_point == '/') cursor.advance();
    return cursor.at();
  }
  return scan_spaces(cursor, true);
}

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

}  // namespace da::tokenizer
