#pragma once

#include <bitset>
#include <memory>

#include "base/result.h"
#include "tokenizer/merge.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/text_index.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_encoder.h"

namespace da::tokenizer {

// SentencePiece-style BPE (model "llama"): neighbours whose text is a token merge, best score first; what is no token
// at the end becomes byte tokens. Gemma 4 (model "gemma4") has the same vocabulary with a list of merges instead,
// within runs of newlines and runs of everything else.
class SpmTokenizer final : public Tokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> make(const Vocabulary& vocabulary);
  std::vector<TokenId> encode(std::string_view text, EncodeOptions options) const override;

 private:
  static constexpr size_t kMaxTabledBytes = 1024;

  explicit SpmTokenizer(const Vocabulary& vocabulary);

  struct Rules {
    const SpmTokenizer& tokenizer;
    size_t symbol_bytes(std::string_view rest) const { return char_length(rest[0]); }
    TokenId symbol_id(std::string_view symbol) const { return tokenizer.index_.find(symbol); }
    PairMerge pair(TokenId left, TokenId right, std::string_view both) const;
    void unknown(std::string_view symbol, std::vector<TokenId>& out) const;
  };
  void encode_fragment(std::string_view text, bool add_space, WordEncoder<Rules>& words,
                       std::vector<TokenId>& out) const;
  void encode_chunk(std::string_view chunk, WordEncoder<Rules>& words, std::vector<TokenId>& out) const;
  Status load_merges(const Vocabulary& vocabulary);
  void note_pairs(std::string_view text);
  void fill_merges();
  void build_tree(std::vector<MergeTree::Split> splits);
  bool may_join(std::string_view left, std::string_view right) const;

  const bool has_list_;  // merges only what the file's list says
  SpecialTokens special_tokens_;
  TextIndex index_;              // texts that merging may make, as in the file ("▁" for a space)
  std::vector<uint32_t> ranks_;  // [n_tokens] 0 for the best score
  MergeTree tree_;
  MergeTable merges_;         // all ways to put a token of at most kMaxTabledBytes together from two
  TokenId byte_tokens_[256];  // -1: none
  TokenId unknown_ = -1;
  bool add_space_prefix_ = true;
  // Bloom filter over the pairs of neighbouring characters in all tokens; where a pair is absent no merge can cross, so
  // the text may be cut there.
  std::vector<uint64_t> pairs_;
  std::bitset<128 * 128> ascii_pairs_;  // the same for ASCII, exact
};

}  // namespace da::tokenizer
