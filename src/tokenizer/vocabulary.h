#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "gguf/gguf.h"
#include "tokenizer/tokenizer.h"

namespace da::tokenizer {

// What a file says about its vocabulary, checked; the kinds of tokenizer take from it what they need.
struct Vocabulary {
  std::string model, pre;
  std::vector<std::string_view> texts;   // [n_tokens] as in the file; view the file
  std::vector<TokenKind> kinds;          // [n_tokens]
  std::vector<float> scores;             // [n_tokens], or empty
  std::vector<std::string_view> merges;  // "left right", best first; view the file
  TokenId bos = -1, eos = -1, unknown = -1, separator = -1, cls = -1;
  // As the file says; where it is silent the model's kind decides.
  std::optional<bool> add_bos, add_eos, add_separator, add_space_prefix;
  // Of unigram vocabularies: SentencePiece's normalization table, and what is done with spaces.
  std::string char_map;
  bool remove_extra_spaces = false, space_is_suffix = false;
  // Added tokens swallow the white space after them: Phi-3, which the file only shows in its name.
  bool special_tokens_strip_right = false;
  std::vector<bool> end_of_generation;  // [n_tokens]

  TokenId n_tokens() const { return static_cast<TokenId>(texts.size()); }
};

// Errors: kCorruptData names the key, and the index in it.
Result<Vocabulary> load_vocabulary(const gguf::File& file);

// "<0x0A>" -> 10; -1 if `text` is no byte token.
int byte_of_token(std::string_view text);

}  // namespace da::tokenizer
