#include "tokenizer/tokenizer.h"

#include <utility>

#include "tokenizer/bpe.h"
#include "tokenizer/spm.h"
#include "tokenizer/unigram.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/wordpiece.h"

// Invalid UTF-8 in encode(), after the reference engine:
// - byte-level BPE and WordPiece: each byte that is part of no well-formed character counts as U+FFFD (which WordPiece
// drops);
//   surrogates written as three bytes are kept as they are. Overlong forms and code points past U+10FFFF, which the
//   reference cannot take, are such bytes.
// - SentencePiece-style: a character is as long as its first byte says; what is no token becomes byte tokens, so that
// decode()
//   gives the same bytes back. Only a space inside a broken character comes back as U+2581.
// - unigram: each byte that is part of no well-formed character counts as U+FFFD.

namespace da::tokenizer {
namespace {

// The reference's clean-up, pass by pass: " ?" -> "?", " ' " -> "'", " 's" -> "'s" and the like.
std::string without_odd_spaces(const std::string& text) {
  std::string first;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i > 0 && text[i - 1] == ' ' && (c == '?' || c == '!' || c == '.' || c == ',')) first.pop_back();
    first += c;
  }
  std::string second;
  bool after_removed_space = false;
  for (size_t i = 0; i < first.size(); ++i) {
    const bool after_space = i > 0 && first[i - 1] == ' ' && !after_removed_space;
    after_removed_space = false;
    if (first[i] == '\'' && after_space && i + 1 < first.size() && first[i + 1] == ' ') {
      second.pop_back();
      second += '\'';
      ++i;
      after_removed_space = true;
      continue;
    }
    second += first[i];
  }
  std::string third;
  for (size_t i = 0; i < second.size(); ++i) {
    if (i > 0 && second[i - 1] == ' ' && second[i] == '\'' && i + 1 < second.size()) {
      const char next = second[i + 1], after = i + 2 < second.size() ? second[i + 2] : '\0';
      if (next == 's' || next == 'm' || ((next == 'r' || next == 'v') && after == 'e')) third.pop_back();
    }
    third += second[i];
  }
  return third;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_gguf(const gguf::File& file) {
  DA_ASSIGN_OR_RETURN(const Vocabulary vocabulary, load_vocabulary(file));
  const auto make = [&]() -> Result<std::unique_ptr<Tokenizer>> {
    if (vocabulary.model == "llama" || vocabulary.model == "gemma4") return SpmTokenizer::make(vocabulary);
    if (vocabulary.model == "gpt2") return BpeTokenizer::make(vocabulary);
    if (vocabulary.model == "bert") return WordPieceTokenizer::make(vocabulary);
    if (vocabulary.model == "t5") return UnigramTokenizer::make(vocabulary);
    return Status(ErrorCode::kUnsupported, "unknown tokenizer model \"" + vocabulary.model.substr(0, 64) +
                                               "\" (tokenizer.ggml.model); known: bert, gemma4, gpt2, llama, t5");
  };
  auto tokenizer = make();
  if (!tokenizer.is_ok()) return tokenizer.status().with_context("read " + file.name());
  return tokenizer;
}

void Tokenizer::adopt(const Vocabulary& vocabulary) {
  model_ = vocabulary.model;
  pre_ = vocabulary.pre;
  bytes_.assign(vocabulary.texts.begin(), vocabulary.texts.end());
  kinds_ = vocabulary.kinds;
  end_of_generation_ = vocabulary.end_of_generation;
  bos_ = vocabulary.bos;
  eos_ = vocabulary.eos;
}

Result<std::string> Tokenizer::decode(std::span<const TokenId> ids, bool special) const {
  std::string text;
  bool at_start = strip_leading_space_;
  for (size_t i = 0; i < ids.size(); ++i) {
    const TokenId id = ids[i];
    if (id < 0 || id >= n_tokens()) {
      return Status(ErrorCode::kInvalidArgument, "decode: token id " + std::to_string(id) + " at position " +
                                                     std::to_string(i) + " is not in 0 to " +
                                                     std::to_string(n_tokens() - 1));
    }
    std::string_view piece = special ? written(id) : bytes(id);
    const bool is_text = special || !piece.empty();
    if (at_start && piece.starts_with(' ')) piece.remove_prefix(1);
    if (is_text) at_start = false;
    text += piece;
  }
  return text;
}

Result<std::string> Tokenizer::detokenize(std::span<const TokenId> ids) const {
  DA_ASSIGN_OR_RETURN(std::string text, decode(ids, true));
  return clean_spaces_ ? without_odd_spaces(text) : text;
}

}  // namespace da::tokenizer
