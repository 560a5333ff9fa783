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

}  // namespace da::tokenizer
