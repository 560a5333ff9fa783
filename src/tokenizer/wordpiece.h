#pragma once

#include <memory>

#include "base/result.h"
#include "tokenizer/prefix_tree.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace da::tokenizer {

// WordPiece (model "bert"): lower-cased words without accents, each cut greedily into the longest tokens; a word that
// does not go into tokens without a rest is unknown as a whole.
class WordPieceTokenizer final : public Tokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> make(const Vocabulary& vocabulary);
  std::vector<TokenId> encode(std::string_view text, EncodeOptions options) const override;

 private:
  explicit WordPieceTokenizer(const Vocabulary& vocabulary);
  void encode_fragment(std::string_view text, std::string& word, std::vector<TokenId>& out) const;
  void encode_word(std::string_view word, std::vector<TokenId>& out) const;

  SpecialTokens special_tokens_;
  PrefixTree tokens_;  // as in the file: "▁" begins a word, nothing marks a continuation
  TokenId unknown_ = -1;
};

}  // namespace da::tokenizer
