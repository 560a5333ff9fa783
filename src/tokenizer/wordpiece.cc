#include "tokenizer/wordpiece.h"

#include "base/utf8.h"
#include "tokenizer/unicode.h"

namespace da::tokenizer {
namespace {

constexpr std::string_view kWordMark = "\xE2\x96\x81";  // U+2581

// The blocks BERT's tokenizer takes for Chinese characters, each a word; one gap is the original's.
bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> WordPieceTokenizer::make(const Vocabulary& vocabulary) {
  auto tokenizer = std::unique_ptr<WordPieceTokenizer>(new WordPieceTokenizer(vocabulary));
  if (tokenizer->unknown_ < 0) {
    return Status(ErrorCode::kCorruptData,
                  "key \"tokenizer.ggml.unknown_token_id\" is absent; a WordPiece vocabulary needs it");
  }
  if ((tokenizer->add_bos_ && tokenizer->bos_ < 0) || (tokenizer->add_eos_ && tokenizer->eos_ < 0)) {
    return Status(
        ErrorCode::kCorruptData,
        "a WordPiece vocabulary needs \"tokenizer.ggml.cls_token_id\" and \"tokenizer.ggml.seperator_token_id\"");
  }
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

WordPieceTokenizer::WordPieceTokenizer(const Vocabulary& vocabulary)
    : special_tokens_(vocabulary), unknown_(vocabulary.unknown) {
  adopt(vocabulary);
  // [CLS] and [SEP] stand where other models have bos and eos.
  if (vocabulary.cls >= 0) bos_ = vocabulary.cls;
  if (vocabulary.separator >= 0) eos_ = vocabulary.separator;
  add_bos_ = vocabulary.add_bos.value_or(true);
  add_eos_ = vocabulary.add_eos.value_or(vocabulary.add_separator.value_or(true));
  clean_spaces_ = true;
  std::vector<std::pair<std::string_view, int32_t>> texts;
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (kinds_[i] == TokenKind::kControl || kinds_[i] == TokenKind::kUnknown) continue;
    texts.emplace_back(vocabulary.texts[i], static_cast<TokenId>(i));
    if (kinds_[i] == TokenKind::kNormal && bytes_[i].starts_with(kWordMark)) {
      bytes_[i].erase(0, kWordMark.size() - 1);
      bytes_[i][0] = ' ';
    }
  }
  tokens_ = PrefixTree(std::move(texts));
}

std::vector<TokenId> WordPieceTokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<TokenId> out;
  std::string word, storage;
  if (options.add_special && add_bos_) out.push_back(bos_);
  special_tokens_.split(text, options.parse_special, [&](const Fragment& fragment) {
    if (fragment.token >= 0) {
      out.push_back(fragment.token);
    } else {
      encode_fragment(made_well_formed(fragment.text, storage), word, out);
    }
  });
  if (options.add_special && add_eos_) out.push_back(eos_);
  return out;
}

void WordPieceTokenizer::encode_fragment(std::string_view text, std::string& word, std::vector<TokenId>& out) const {
  const auto finish_word = [&] {
    if (word.size() > kWordMark.size()) encode_word(word, out);
    word = kWordMark;
  };
  word = kWordMark;
  for (size_t at = 0; at < text.size();) {
    const Character character = decode_unchecked(text.data() + at);
    at += character.length;
    const char32_t c = base_letter(character.code_point);
    const uint16_t classes = char_class(c);
    if ((classes & kSpace) != 0) {
      finish_word();
    } else if (c == 0 || c == 0xFFFD || (classes & (kControlLike | kMark)) != 0) {
      continue;  // dropped; the word goes on
    } else if ((classes & kPunctuation) != 0 || (c < 0x7F && (classes & kSymbol) != 0) || is_chinese(c)) {
      finish_word();
      utf8::append(word, to_lower(c));
      finish_word();
    } else {
      utf8::append(word, to_lower(c));
    }
  }
  finish_word();
}

void WordPieceTokenizer::encode_word(std::string_view word, std::vector<TokenId>& out) const {
  const size_t n_before = out.size();
  for (size_t at = 0; at < word.size();) {
    size_t longest = at;
    TokenId best = -1;
    uint32_t node = PrefixTree::kRoot;
    for (size_t i = at; i < word.size(); ++i) {
      node = tokens_.step(node, word[i]);
      if (node == PrefixTree::kNone) break;
      if (tokens_.value(node) >= 0) {
        best = tokens_.value(node);
        longest = i + 1;
      }
    }
    if (best < 0) {
      out.resize(n_before);
      out.push_back(unknown_);
      return;
    }
    out.push_back(best);
    at = longest;
  }
}

}  // namespace da::tokenizer
