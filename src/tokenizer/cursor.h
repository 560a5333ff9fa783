#pragma once

#include <cstddef>
#include <cstdint>

#include "tokenizer/unicode.h"

// How the stages of pre-tokenizers look at a text.
namespace da::tokenizer {

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

// The character that ends where `at` begins; none at the text's beginning.
inline Seen seen_before(const char* text, size_t at) {
  size_t begin = at;
  while (begin > 0 && (begin == at || (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)) --begin;
  return begin == at ? Seen{} : Cursor(text, begin, at).seen();
}

inline bool is_ascii_letter(char32_t c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

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

}  // namespace da::tokenizer
