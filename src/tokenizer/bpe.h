#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "tokenizer/merge.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/text_index.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_encoder.h"

namespace da::tokenizer {

// Byte-level BPE (model "gpt2"): the pre-tokenizer cuts the text into words, each word's bytes merge by the list of
// merges.
class BpeTokenizer final : public Tokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> make(const Vocabulary& vocabulary);
  std::vector<TokenId> encode(std::string_view text, EncodeOptions options) const override;

 private:
  BpeTokenizer(const Vocabulary& vocabulary, PreTokenizer pre_tokenizer);
  Status load_merges(const Vocabulary& vocabulary, const TextIndex& written, std::vector<MergeTree::Split>& splits);
  void fill_byte_merges();

  struct Rules {
    const BpeTokenizer& tokenizer;
    size_t symbol_bytes(std::string_view) const { return 1; }
    TokenId symbol_id(std::string_view symbol) const {
      return tokenizer.byte_tokens_[static_cast<unsigned char>(symbol[0])];
    }
    PairMerge pair(TokenId left, TokenId right, std::string_view both) const;
    // A byte without a token: the reference drops it; an unknown token, where there is one, shows it.
    void unknown(std::string_view, std::vector<TokenId>& out) const {
      if (tokenizer.unknown_ >= 0) out.push_back(tokenizer.unknown_);
    }
  };
  void build_tree(const Vocabulary& vocabulary, std::vector<MergeTree::Split> splits);

  PreTokenizer pre_tokenizer_;
  SpecialTokens special_tokens_;
  TokenId byte_tokens_[256];            // -1: none
  std::vector<PairMerge> byte_merges_;  // [256][256] the first merges of every word, without hashing
  MergeTable merges_;
  MergeTree tree_;
  TextIndex words_;  // tokens by their bytes; filled if the pre-tokenizer ignores merges
  TokenId unknown_ = -1;
};

}  // namespace da::tokenizer
