#include <algorithm>
#include <iterator>

#include "tokenizer/cursor.h"
#include "tokenizer/scanners.h"

// The stages that set matches apart from what lies between them.
namespace da::tokenizer {
namespace {

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

// Sentence and clause ends, as the rule of BLOOM and the Nordic models lists them.
bool is_bloom_stop(const Seen& seen) {
  switch (seen.code_point) {
    case '(':
    case ')':
    case '|':
    case '.':
    case ',':
    case '!':
    case '?':
    case 0x2026:  // …
    case 0x3002:  // 。
    case 0xFF0C:  // ，
    case 0x3001:  // 、
    case 0x0964:  // ।
    case 0x06D4:  // ۔
    case 0x060C:  // ،
      return true;
    default:
      return seen.is(kSpace);
  }
}

}  // namespace

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

size_t isolate_unstopped(const char* text, size_t begin, size_t end) {
  Cursor cursor(text, begin, end);
  const auto is_inside = [](const Seen& seen) { return !seen.is_end() && !is_bloom_stop(seen); };
  const auto starts = [&](const Cursor& at) {
    return is_inside(at.seen()) || (at.seen().code_point == ' ' && is_inside(at.peek()));
  };
  if (starts(cursor)) {
    cursor.advance();
    cursor.skip_while(is_inside);
    return cursor.at();
  }
  while (!cursor.seen().is_end() && !starts(cursor)) cursor.advance();
  return cursor.at();
}

}  // namespace da::tokenizer
