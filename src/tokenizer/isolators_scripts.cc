#include <string_view>

#include "tokenizer/cursor.h"
#include "tokenizer/scanners.h"

// Stages that set scripts, groups of digits and marks of one family's own apart.
namespace da::tokenizer {
namespace {

bool is_between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

bool is_asian(char32_t c) {
  return is_between(c, 0x4E00, 0x9FFF) || is_between(c, 0x3400, 0x4DBF) || is_between(c, 0xF900, 0xFAFF) ||
         is_between(c, 0x3040, 0x30FF) || is_between(c, 0xFF65, 0xFF9F) || is_between(c, 0x2F00, 0x2FDF) ||
         is_between(c, 0x0E40, 0x0EFF) || is_between(c, 0x1780, 0x17FF) || is_between(c, 0x1000, 0x109F) ||
         is_between(c, 0xAA60, 0xAA7F) || is_between(c, 0xA9E0, 0xA9FF) || is_between(c, 0xAC00, 0xD7AF) ||
         is_between(c, 0x1100, 0x11FF);
}

// Which of the four alternatives of isolate_scripts a character is for; 0: none.
int script_of(char32_t c) {
  if (is_between(c, 0xAC00, 0xD7A3) || is_between(c, 0x3131, 0x318E)) return 1;
  if (c == 0xFF01 || c == 0x2026 || c == 0x201C || c == 0x201D || c == 0x2018 || c == 0x2019 || c == 0x2014 ||
      c == 0xFF1A || c == 0xFF1B || c == 0xFF0C || is_between(c, 0x3001, 0x303F) || is_between(c, 0xFE30, 0xFE4F))
    return 2;
  if (is_between(c, 0x3105, 0x312F)) return 3;
  return is_between(c, 0x4E00, 0x9FA5) || is_between(c, 0x3040, 0x30FF) ? 4 : 0;
}

// Length of the match that begins at `at`, 0 if there is none.
using Match = size_t (*)(std::string_view text);

size_t isolate_matches(const char* text, size_t begin, size_t end, Match match, char first) {
  const std::string_view rest(text + begin, end - begin);
  if (const size_t length = match(rest)) return begin + length;
  for (size_t at = rest.find(first, 1); at != std::string_view::npos; at = rest.find(first, at + 1)) {
    if (match(rest.substr(at)) > 0) return begin + at;
  }
  return end;
}

bool is_number(const Seen& seen) { return seen.is(kNumber); }
bool is_decimal(const Seen& seen) { return seen.is(kDecimal); }

// \w, for \b: connectors are the punctuation in it.
bool is_word(const Seen& seen) {
  const char32_t c = seen.code_point;
  return seen.is(kLetter | kMark | kDecimal) || c == '_' || c == 0x203F || c == 0x2040 || c == 0x2054 || c == 0xFE33 ||
         c == 0xFE34 || is_between(c, 0xFE4D, 0xFE4F) || c == 0xFF3F;
}

using Kind = bool (*)(const Seen& seen);

size_t count(Cursor cursor, Kind kind) {
  size_t n = 0;
  for (; kind(cursor.seen()); cursor.advance()) ++n;
  return n;
}

void skip(Cursor& cursor, size_t most, Kind kind) {
  for (size_t n = 0; n < most && kind(cursor.seen()); ++n) cursor.advance();
}

// Of a run of n digits in groups of three counted from its end.
size_t first_group(size_t n) { return n % 3 == 0 ? 3 : n % 3; }

}  // namespace

size_t isolate_each_sign(const char* text, size_t begin, size_t end) {
  return isolate_groups(text, begin, end, 1, [](const Seen& seen) {
    return seen.is(kPunctuation) || (seen.code_point < 0x80 && seen.is(kSymbol));
  });
}

size_t isolate_wide_space(const char* text, size_t begin, size_t end) {
  const auto width_at = [&](size_t at) -> size_t {
    if (text[at] == '\t' || text[at] == '\n') return 1;
    size_t blanks = 0;
    while (blanks < 4 && at + blanks < end && text[at + blanks] == ' ') ++blanks;
    return blanks == 4 ? 4 : blanks >= 2 ? 2 : 0;
  };
  if (const size_t width = width_at(begin)) return begin + width;
  size_t at = begin + 1;
  while (at < end && width_at(at) == 0) ++at;
  return at;
}

size_t isolate_sentinels(const char* text, size_t begin, size_t end) {
  return isolate_matches(
      text, begin, end,
      [](std::string_view rest) -> size_t {
        constexpr std::string_view kOpen = "<sentinel:";
        if (!rest.starts_with(kOpen)) return 0;
        const size_t close = rest.find_first_not_of("0123456789", kOpen.size());
        return close != std::string_view::npos && close > kOpen.size() && rest[close] == '>' ? close + 1 : 0;
      },
      '<');
}

size_t isolate_images(const char* text, size_t begin, size_t end) {
  return isolate_matches(
      text, begin, end,
      [](std::string_view rest) -> size_t {
        constexpr std::string_view kOpen = "IMGIMG";
        if (!rest.starts_with(kOpen)) return 0;
        const size_t close = rest.find_first_not_of("ABCDEFGHI", kOpen.size());
        return close != std::string_view::npos && close > kOpen.size() && close <= kOpen.size() + 4 &&
                       rest[close] == 'Z'
                   ? close + 1
                   : 0;
      },
      'I');
}

size_t isolate_asian(const char* text, size_t begin, size_t end) {
  return isolate_runs(text, begin, end, [](const Seen& seen) { return is_asian(seen.code_point); });
}

size_t isolate_scripts(const char* text, size_t begin, size_t end) {
  Cursor cursor(text, begin, end);
  const int script = script_of(cursor.seen().code_point);
  cursor.skip_while([script](const Seen& seen) { return script_of(seen.code_point) == script; });
  return cursor.at();
}

size_t isolate_thousands(const char* text, size_t begin, size_t end) {
  Cursor cursor(text, begin, end);
  if (!is_number(cursor.seen())) {
    cursor.skip_while([](const Seen& seen) { return !is_number(seen); });
    return cursor.at();
  }
  // The run is counted at its first piece alone; whole groups follow that.
  skip(cursor, is_number(seen_before(text, begin)) ? 3 : first_group(count(cursor, is_number)), is_number);
  return cursor.at();
}

size_t isolate_bounded_thousands(const char* text, size_t begin, size_t end) {
  Cursor cursor(text, begin, end);
  const auto is_bounded = [](Cursor run) {
    run.skip_while(is_decimal);
    return !is_word(run.seen());
  };
  if (is_decimal(cursor.seen())) {
    const bool inside = is_decimal(seen_before(text, begin));
    if (inside || is_bounded(cursor)) {
      skip(cursor, inside ? 3 : first_group(count(cursor, is_decimal)), is_decimal);
      return cursor.at();
    }
  }
  do {
    cursor.skip_while(is_decimal);
    cursor.skip_while([](const Seen& seen) { return !is_decimal(seen); });
  } while (!cursor.seen().is_end() && !is_bounded(cursor));
  return cursor.at();
}

size_t cut_before_thousands(const char* text, size_t begin, size_t end) {
  Cursor cursor(text, begin, end);
  if (is_decimal(cursor.seen())) {
    skip(cursor, is_decimal(seen_before(text, begin)) ? 3 : first_group(count(cursor, is_decimal)), is_decimal);
  }
  // The next cut: in front of the digits, where their number is a multiple of three, or behind one or two of them.
  while (!cursor.seen().is_end() && !is_decimal(cursor.seen())) {
    cursor.skip_while([](const Seen& seen) { return !is_decimal(seen); });
    skip(cursor, count(cursor, is_decimal) % 3, is_decimal);
  }
  return cursor.at();
}

}  // namespace da::tokenizer
