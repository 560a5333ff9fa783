#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "tokenizer/char_map.h"
#include "tokenizer/prefix_tree.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace da::tokenizer {

// SentencePiece's unigram model (model "t5"): of all ways to cut the normalized text into tokens the one with the
// largest sum of scores. A character that no token covers is unknown, several in a row are one.
class UnigramTokenizer final : public Tokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> make(const Vocabulary& vocabulary);
  std::vector<TokenId> encode(std::string_view text, EncodeOptions options) const override;

 private:
  explicit UnigramTokenizer(const Vocabulary& vocabulary);
  std::string normalized(std::string_view text) const;
  void encode_fragment(std::string_view text, std::vector<TokenId>& out) const;

  SpecialTokens special_tokens_;
  CharMap char_map_;
  PrefixTree tokens_, user_defined_;
  std::vector<float> scores_;      // [n_tokens]
  std::vector<uint32_t> lengths_;  // [n_tokens] bytes as in the file, 0 for those that no text becomes
  size_t longest_ = 4;             // of these, and a character
  double unknown_score_ = 0;
  TokenId unknown_ = -1;
  bool add_space_prefix_ = true, merge_spaces_ = false, space_is_suffix_ = false;
};

}  // namespace da::tokenizer
