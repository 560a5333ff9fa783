#include "tokenizer/bpe.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/utf8.h"
#include "tokenizer/unicode.h"

namespace da::tokenizer {
namespace {

// GPT-2's alphabet: bytes that print stand for themselves, the others for U+0100 and on, in order.
struct ByteAlphabet {
  std::array<char32_t, 256> character{};
  std::array<int16_t, 0x144> byte{};  // by character, -1: none
  ByteAlphabet() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool prints = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      const char32_t c = prints ? static_cast<char32_t>(b) : next++;
      character[static_cast<size_t>(b)] = c;
      byte[c] = static_cast<int16_t>(b);
    }
  }
};

const ByteAlphabet& alphabet() {
  static const ByteAlphabet instance;
  return instance;
}

// The bytes a token's text stands for; the text itself if it has characters outside the alphabet (added tokens do).
std::string bytes_of_text(std::string_view text) {
  std::string bytes;
  for (std::string_view rest = text; !rest.empty();) {
    const utf8::Decoded decoded = utf8::decode_one(rest);
    if (!decoded.valid || decoded.code_point >= alphabet().byte.size() || alphabet().byte[decoded.code_point] < 0) {
      return std::string(text);
    }
    bytes += static_cast<char>(alphabet().byte[decoded.code_point]);
    rest.remove_prefix(decoded.length);
  }
  return bytes;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> BpeTokenizer::make(const Vocabulary& vocabulary) {
  DA_ASSIGN_OR_RETURN(PreTokenizer pre_tokenizer, PreTokenizer::from_name(vocabulary.pre));
  auto tokenizer = std::unique_ptr<BpeTokenizer>(new BpeTokenizer(vocabulary, pre_tokenizer));
  TextIndex written;
  written.reserve(vocabulary.texts.size());
  for (TokenId id = 0; id < vocabulary.n_tokens(); ++id) {
    const std::string_view text = vocabulary.texts[static_cast<size_t>(id)];
    if (!text.empty()) written.add(text, id);
  }
  for (int byte = 0; byte < 256; ++byte) {
    std::string text;
    utf8::append(text, alphabet().character[static_cast<size_t>(byte)]);
    tokenizer->byte_tokens_[byte] = written.find(text);
  }
  DA_RETURN_IF_ERROR(tokenizer->load_merges(vocabulary, written));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

BpeTokenizer::BpeTokenizer(const Vocabulary& vocabulary, PreTokenizer pre_tokenizer)
    : pre_tokenizer_(pre_tokenizer), special_tokens_(vocabulary), unknown_(vocabulary.unknown) {
  adopt(vocabulary);
  add_bos_ = vocabulary.add_bos.value_or(pre_tokenizer.adds_bos_by_default());
  add_eos_ = vocabulary.add_eos.value_or(false);
  clean_spaces_ = pre_tokenizer.cleans_spaces();
  if (pre_tokenizer.ignores_merges()) words_.reserve(bytes_.size());
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (kinds_[i] != TokenKind::kNormal && kinds_[i] != TokenKind::kUnused) continue;
    bytes_[i] = bytes_of_text(bytes_[i]);
    if (pre_tokenizer.ignores_merges() && !bytes_[i].empty()) words_.add(bytes_[i], static_cast<TokenId>(i));
  }
}

Status BpeTokenizer::load_merges(const Vocabulary& vocabulary, const TextIndex& written) {
  const auto corrupt = [](size_t rank, const std::string& what) {
    return Status(ErrorCode::kCorruptData, "key \"tokenizer.ggml.merges\": merge " + std::to_string(rank) + " " + what);
  };
  merges_.reserve(vocabulary.merges.size());
  std::string joined;
  for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const std::string_view text = vocabulary.merges[rank];
    const size_t space = text.size() < 3 ? std::string_view::npos : text.find(' ', 1);
    if (space == std::string_view::npos || space + 1 >= text.size())
      return corrupt(rank, "is not two tokens with a space between");
    const TokenId left = written.find(text.substr(0, space));
    if (left < 0) return corrupt(rank, "names a left token that the vocabulary lacks");
    const TokenId right = written.find(text.substr(space + 1));
    if (right < 0) return corrupt(rank, "names a right token that the vocabulary lacks");
    joined.assign(text.substr(0, space)).append(text.substr(space + 1));
    const TokenId merged = written.find(joined);
    if (merged < 0) return corrupt(rank, "makes a token that the vocabulary lacks");
    merges_.add(left, right, {static_cast<uint32_t>(rank), merged});
  }
  fill_byte_merges();
  return Status::ok();
}

void BpeTokenizer::fill_byte_merges() {
  byte_merges_.assign(256 * 256, PairMerge{});
  for (int left = 0; left < 256; ++left) {
    for (int right = 0; right < 256; ++right) {
      if (byte_tokens_[left] < 0 || byte_tokens_[right] < 0) continue;
      byte_merges_[static_cast<size_t>(left * 256 + right)] = merges_.find(byte_tokens_[left], byte_tokens_[right]);
    }
  }
}

PairMerge BpeTokenizer::Rules::pair(TokenId left, TokenId right, std::string_view both) const {
  if (both.size() == 2) {
    const auto byte = [&](size_t at) { return static_cast<size_t>(static_cast<unsigned char>(both[at])); };
    return tokenizer.byte_merges_[byte(0) * 256 + byte(1)];
  }
  return tokenizer.merges_.find(left, right);
}

std::vector<TokenId> BpeTokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<TokenId> out;
  out.reserve(text.size() / 3 + 8);
  if (options.add_special && add_bos_ && bos_ >= 0) out.push_back(bos_);
  WordCache cache(text.size());
  Merger<Rules> merger;
  std::string storage;
  special_tokens_.split(text, options.parse_special, [&](const Fragment& fragment) {
    if (fragment.token >= 0) {
      out.push_back(fragment.token);
      return;
    }
    pre_tokenizer_.for_each_word(made_well_formed(fragment.text, storage),
                                 [&](std::string_view word) { encode_word(word, cache, merger, out); });
  });
  if (options.add_special && add_eos_ && eos_ >= 0) out.push_back(eos_);
  return out;
}

void BpeTokenizer::encode_word(std::string_view word, WordCache& cache, Merger<Rules>& merger,
                               std::vector<TokenId>& out) const {
  if (cache.append(word, out)) return;
  const size_t n_before = out.size();
  const TokenId whole = pre_tokenizer_.ignores_merges() ? words_.find(word) : -1;
  if (whole >= 0) {
    out.push_back(whole);
  } else {
    merger.run(Rules{*this}, word, [&](TokenId id, std::string_view) {
      // A byte without a token: the reference drops it; an unknown token, where there is one, shows it.
      if (id < 0) id = unknown_;
      if (id >= 0) out.push_back(id);
    });
  }
  cache.remember(word, std::span(out).subspan(n_before));
}

}  // namespace da::tokenizer
