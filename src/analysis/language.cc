#include "analysis/analysis.h"
#include "base/utf8.h"

namespace da::analysis {
namespace {

bool is_han(char32_t c) {
  return (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF) || c == 0x3007;
}

bool is_latin(char32_t c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= 0xC0 && c <= 0x24F && c != 0xD7 && c != 0xF7);
}

// CJK punctuation and full-width forms: all there is to go by in a text without letters.
bool is_cjk_mark(char32_t c) { return (c >= 0x3001 && c <= 0x301F) || (c >= 0xFF01 && c <= 0xFF65); }

}  // namespace

std::string_view language_code(Language language) { return language == Language::kChinese ? "zh" : "en"; }

Language detect_language(std::string_view text) {
  size_t n_han = 0, n_words = 0, n_marks = 0;
  bool in_word = false;
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode_one(text.substr(at));
    at += d.length;
    n_han += is_han(d.code_point) ? 1 : 0;
    n_marks += is_cjk_mark(d.code_point) ? 1 : 0;
    // Letters are counted by words: a Han character carries about as much as half of one.
    const bool latin = is_latin(d.code_point);
    n_words += latin && !in_word ? 1 : 0;
    in_word = latin;
  }
  if (n_han == 0 && n_words == 0) return n_marks > 0 ? Language::kChinese : Language::kEnglish;
  // Names and terms of the other language do not decide: an English text quotes few Han characters, while a Chinese one
  // may hold more English words than sentences.
  return 2 * n_han >= n_words ? Language::kChinese : Language::kEnglish;
}

}  // namespace da::analysis
