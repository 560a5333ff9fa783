#pragma once

#include <cstddef>

namespace da::tokenizer {

// The stages pre-tokenizers are made of; each has the signature of ScanStage. The comment is the rule as published.

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
size_t scan_llama3(const char* text, size_t begin, size_t end);
// The same with \p{N} for \p{N}{1,3}.
size_t scan_qwen2(const char* text, size_t begin, size_t end);
// The same as qwen2 with [\p{L}\p{M}] for \p{L}.
size_t scan_qwen35(const char* text, size_t begin, size_t end);
// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t scan_gpt2(const char* text, size_t begin, size_t end);
// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:contraction)?|…, \p{N}{1,3},
//  ?[^\s\p{L}\p{N}]+[\r\n/]*, then as llama3
size_t scan_gpt4o(const char* text, size_t begin, size_t end);
// The same without contractions, and \p{N} alone.
size_t scan_tekken(const char* text, size_t begin, size_t end);
// [\p{Han}]+, then as gpt4o with [\r\n]* for [\r\n/]* and no Han character in words
size_t scan_kimi(const char* text, size_t begin, size_t end);
// The same as qwen2 with  ?[^\s\p{L}\p{N}\r\n]+ for  ?[^\s\p{L}\p{N}]+[\r\n]*
size_t scan_seed_coder(const char* text, size_t begin, size_t end);
// The same as llama3 with \s{512}(?!\S)|\s{256}(?!\S)|…|\s{4}(?!\S)|\s{1,2}(?!\S)|\s for \s+(?!\S)|\s+
size_t scan_jais2(const char* text, size_t begin, size_t end);
// The same as gpt4o with \p{N} for \p{N}{1,3}.
size_t scan_youtu(const char* text, size_t begin, size_t end);
// (?i:contraction)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?, then as llama3
size_t scan_exaone_moe(const char* text, size_t begin, size_t end);
// [!-/:-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
size_t scan_deepseek3(const char* text, size_t begin, size_t end);

// Matches of these are pieces of their own, and so is what lies between them.
size_t isolate_punctuation(const char* text, size_t begin, size_t end);              // [\p{P}\$\+<=>\^~\|]+
size_t isolate_punctuation_or_grave(const char* text, size_t begin, size_t end);     // [\p{P}\$\+<=>\^~\|`]+
size_t isolate_numbers(const char* text, size_t begin, size_t end);                  // \p{N}+
size_t isolate_number(const char* text, size_t begin, size_t end);                   // \p{N}
size_t isolate_number_triples(const char* text, size_t begin, size_t end);           // \p{N}{1,3}
size_t isolate_ascii_triples(const char* text, size_t begin, size_t end);            // [0-9][0-9][0-9]
size_t isolate_newline(const char* text, size_t begin, size_t end);                  // [\r\n]
size_t isolate_cased_letters(const char* text, size_t begin, size_t end);            // \s?[A-Za-zµÀ-Ö…]+
size_t isolate_letters(const char* text, size_t begin, size_t end);                  // \s?\p{L}+
size_t isolate_punctuation_after_space(const char* text, size_t begin, size_t end);  // \s?\p{P}+
size_t isolate_fullwidth_punctuation(const char* text, size_t begin, size_t end);  // \s?[!-/:-~！-／：-～‘-‟　-。]+
size_t isolate_trailing_space(const char* text, size_t begin, size_t end);         // \s+$
size_t isolate_unstopped(const char* text, size_t begin, size_t end);              //  ?[^(\s|.,!?…。，、।۔،)]+
size_t isolate_cjk(const char* text, size_t begin, size_t end);                    // [一-龥ࠀ-一가-퟿]+
size_t isolate_cjk_kana(const char* text, size_t begin, size_t end);               // [一-龥぀-ゟ゠-ヿ]+
size_t isolate_each_sign(const char* text, size_t begin, size_t end);              // [\p{P}!-/:-@\[-`{-~]
size_t isolate_wide_space(const char* text, size_t begin, size_t end);             // [\t\n]|    |  (four blanks or two)
size_t isolate_sentinels(const char* text, size_t begin, size_t end);              // <sentinel:[0-9]+>
size_t isolate_images(const char* text, size_t begin, size_t end);                 // IMGIMG[A-I]{1,4}Z
// 4E00-9FFF, 3400-4DBF, F900-FAFF, kana, radicals, Thai, Lao, Khmer, Burmese, Hangul; a run of any of them
size_t isolate_asian(const char* text, size_t begin, size_t end);
// [가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+
size_t isolate_scripts(const char* text, size_t begin, size_t end);
// Runs of \p{N} in groups of three counted from their end: 1 234 567
size_t isolate_thousands(const char* text, size_t begin, size_t end);
// The same, but only \d{1,3}(?=(?:\d{3})*\b): no group in a number that runs into a word
size_t isolate_bounded_thousands(const char* text, size_t begin, size_t end);
// Cuts at (?=(\d{3})+(?!\d))
size_t cut_before_thousands(const char* text, size_t begin, size_t end);

}  // namespace da::tokenizer
