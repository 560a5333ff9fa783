#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/utf8.h"
#include "gguf/gguf.h"

namespace da::tokenizer {

using TokenId = int32_t;

enum class TokenKind : uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

struct EncodeOptions {
  bool add_special = false;    // bos/eos (or [CLS]/[SEP]) where the vocabulary asks for them
  bool parse_special = false;  // control tokens written in the text become tokens; otherwise they are plain text
};

// A model's vocabulary and the algorithm that goes with it. Immutable, safe to share between threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // From a GGUF file's `tokenizer.ggml.*`; copies what it needs. Errors: kCorruptData names the key or token index;
  // kUnsupported names an unknown model or pre-tokenizer and lists the known ones.
  static Result<std::unique_ptr<Tokenizer>> from_gguf(const gguf::File& file);

  // Linear time and constant stack in the length of `text`. Invalid UTF-8 is encoded as documented in tokenizer.cc.
  virtual std::vector<TokenId> encode(std::string_view text, EncodeOptions options) const = 0;

  int32_t n_tokens() const { return static_cast<int32_t>(bytes_.size()); }
  TokenKind kind(TokenId id) const { return kinds_[static_cast<size_t>(id)]; }
  // What the token adds to the output, as bytes; perhaps part of a character. Control and unknown tokens add nothing.
  std::string_view bytes(TokenId id) const {
    return kind(id) == TokenKind::kControl || kind(id) == TokenKind::kUnknown ? std::string_view() : written(id);
  }
  // The token as it is written, control tokens included ("<|im_end|>").
  std::string_view written(TokenId id) const { return bytes_[static_cast<size_t>(id)]; }
  // The bytes that `ids` stand for. `special`: control tokens are written out. Ids out of range: kInvalidArgument.
  // The leading space that a SentencePiece-style `encode` puts before the first word is taken off again.
  Result<std::string> decode(std::span<const TokenId> ids, bool special = false) const;
  // The text as the reference engine's detokenizer gives it: special tokens written out, and for vocabularies that ask
  // for it the spaces before ?!., and some contractions dropped. Not the inverse of `encode`; for comparing engines.
  Result<std::string> detokenize(std::span<const TokenId> ids) const;

  TokenId bos() const { return bos_; }  // -1: none
  TokenId eos() const { return eos_; }
  bool adds_bos() const { return add_bos_; }
  bool adds_eos() const { return add_eos_; }
  // True for tokens that end a turn: eos, eot, eom and the families' well-known end markers.
  bool is_end_of_generation(TokenId id) const { return end_of_generation_[static_cast<size_t>(id)]; }
  std::string_view model() const { return model_; }  // "llama", "gpt2", "bert", "t5"
  std::string_view pre() const { return pre_; }      // pre-tokenizer name, "" if none

 protected:
  // Takes over what all kinds of tokenizer share: texts, kinds, special ids.
  void adopt(const struct Vocabulary& vocabulary);

  std::string model_, pre_;
  std::vector<std::string> bytes_;
  std::vector<TokenKind> kinds_;
  std::vector<bool> end_of_generation_;
  TokenId bos_ = -1, eos_ = -1;
  bool add_bos_ = false, add_eos_ = false, strip_leading_space_ = false, clean_spaces_ = false;
};

}  // namespace da::tokenizer
