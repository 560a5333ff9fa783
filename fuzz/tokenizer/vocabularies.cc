#include "tokenizer/vocabularies.h"

#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "gguf/gguf.h"
#include "gguf/writer.h"

namespace da::fuzz {
namespace {

using tokenizer::EncodeOptions;
using tokenizer::TokenId;
using tokenizer::Tokenizer;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Builder {
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> types;
  std::vector<float> scores;
  gguf::Writer writer;

  void add(std::string text, int32_t type) {
    scores.push_back(-static_cast<float>(tokens.size() % 17));
    tokens.push_back(std::move(text));
    types.push_back(type);
  }
  void add_all(std::initializer_list<const char*> texts, int32_t type) {
    for (const char* text : texts) add(text, type);
  }
};

constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6;

void add_sentencepiece_bpe(Builder& b) {
  b.add("<unk>", kUnknown);
  b.add("<s>", kControl);
  b.add("</s>", kControl);
  constexpr char kHex[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) b.add({'<', '0', 'x', kHex[byte / 16], kHex[byte % 16], '>'}, kByte);
  b.add_all({"▁", "a", "b", "ab", "▁a", "aa", "aaaa", "中", "文", "中文", "ba", "▁▁", "aab", "bb", "abab"}, kNormal);
  b.add_all({"{\"", "{", "aba"}, kUserDefined);
  b.writer.add_bool("tokenizer.ggml.add_space_prefix", false);  // else a space follows each special token
}

void add_byte_level_bpe(Builder& b) {
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    std::string text;
    utf8::append(text, prints ? static_cast<char32_t>(byte) : next++);
    b.add(text, kNormal);
  }
  b.add_all({"aa", "ab", "aab", "Ġa", "ba", "ä¸", "ä¸Ń", "abab"}, kNormal);
  b.merges = {"a a", "a b", "aa b", "Ġ a", "b a", "ä ¸", "ä¸ Ń", "ab ab"};
  b.add("<|end|>", kControl);
  b.add("ab<", kUserDefined);
}

void add_unigram(Builder& b) {
  b.add("<pad>", kControl);
  b.add("</s>", kControl);
  b.add("<unk>", kUnknown);
  b.add_all({"▁", "a", "b", "ab", "▁a", "aa", "aaaa", "中", "文", "中文", "bab", "▁ab"}, kNormal);
  b.add("{\"", kUserDefined);
  b.writer.add_float32s("tokenizer.ggml.scores", b.scores);
}

void add_wordpiece(Builder& b) {
  b.add_all({"[UNK]", "[CLS]", "[SEP]"}, kControl);
  b.add_all({"▁a", "a", "ab", "▁b", "b", "▁中", "▁!", "e", "▁e", "aba"}, kNormal);
  b.writer.add_uint32("tokenizer.ggml.unknown_token_id", 0);
  b.writer.add_uint32("tokenizer.ggml.cls_token_id", 1);
  b.writer.add_uint32("tokenizer.ggml.seperator_token_id", 2);
}

}  // namespace

std::unique_ptr<Tokenizer> build_vocabulary(std::string_view model, std::string_view pre) {
  Builder b;
  if (model == "llama" || model == "gemma4") {
    add_sentencepiece_bpe(b);
    if (model == "gemma4") b.merges = {"a b", "b a", "a a", "aa aa", "▁ a", "中 文", "▁ ▁", "aa b", "b b", "ab ab"};
  } else if (model == "gpt2") {
    add_byte_level_bpe(b);
  } else if (model == "t5") {
    add_unigram(b);
  } else {
    add_wordpiece(b);
  }
  b.writer.add_string("tokenizer.ggml.model", model);
  b.writer.add_string("tokenizer.ggml.pre", pre);
  b.writer.add_strings("tokenizer.ggml.tokens", b.tokens);
  b.writer.add_int32s("tokenizer.ggml.token_type", b.types);
  if (model == "llama") b.writer.add_float32s("tokenizer.ggml.scores", b.scores);
  if (!b.merges.empty()) b.writer.add_strings("tokenizer.ggml.merges", b.merges);
  const auto bytes = b.writer.serialize();
  require(bytes.is_ok());
  const auto file = gguf::File::parse(std::as_bytes(std::span(*bytes)), "built-in");
  require(file.is_ok());
  auto made = Tokenizer::from_gguf(**file);
  require(made.is_ok());
  return std::move(*made);
}

void check_encoding(const Tokenizer& tokenizer, std::string_view text, uint8_t flags, bool lossless) {
  const EncodeOptions options{.add_special = (flags & 1) != 0, .parse_special = (flags & 2) != 0};
  const std::vector<TokenId> ids = tokenizer.encode(text, options);
  for (const TokenId id : ids) {
    require(id >= 0 && id < tokenizer.n_tokens());
  }
  if (!options.parse_special && !options.add_special) {
    // T03: what a user types never becomes a control token.
    for (const TokenId id : ids)
      require(tokenizer.model() == "bert" || tokenizer.kind(id) != tokenizer::TokenKind::kControl);
  }
  const auto back = tokenizer.decode(ids);
  require(back.is_ok() && tokenizer.detokenize(ids).is_ok());
  // U+2581 is a space to SentencePiece.
  if (lossless && !options.parse_special && utf8::is_valid(text) &&
      text.find("\xE2\x96\x81") == std::string_view::npos) {
    require(*back == text);
  }
}

}  // namespace da::fuzz
