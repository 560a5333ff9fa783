#include "tokenizer/bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>
#include <utility>

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
  // Its characters have one byte or two; a vocabulary's hundred thousand texts pass here while a model loads.
  const auto& byte_of = alphabet().byte;
  std::string bytes(text.size(), '\0');
  size_t n_bytes = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t c = static_cast<uint8_t>(text[i]);
    if (c >= 0x80) {
      const uint32_t next = i + 1 < text.size() ? static_cast<uint8_t>(text[++i]) : 0;
      const bool two = (c & 0xE0) == 0xC0 && c >= 0xC2 && (next & 0xC0) == 0x80;
      c = two ? (c & 0x1F) << 6 | (next & 0x3F) : ~0U;
    }
    if (c >= byte_of.size() || byte_of[c] < 0) return std::string(text);
    bytes[n_bytes++] = static_cast<char>(byte_of[c]);
  }
  bytes.resize(n_bytes);
  return bytes;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> BpeTokenizer::make(const Vocabulary& vocabulary) {
  DA_ASSIGN_OR_RETURN(PreTokenizer pre_tokenizer, PreTokenizer::from_name(vocabulary.pre));
  auto tokenizer = std::unique_ptr<BpeTokenizer>(new BpeTokenizer(vocabulary, pre_tokenizer));
  TextIndex written;
  written.reserve(vocabulary.texts.size());
  written.for_each_fetched(
      vocabulary.texts.size(), [&](size_t i) { return std::string_view(vocabulary.texts[i]); },
      [&](size_t i, std::string_view text, uint64_t hash) {
        if (!text.empty()) written.add(text, static_cast<TokenId>(i), hash);
      });
  for (int byte = 0; byte < 256; ++byte) {
    std::string text;
    utf8::append(text, alphabet().character[static_cast<size_t>(byte)]);
    tokenizer->byte_tokens_[byte] = written.find(text);
  }
  std::vector<MergeTree::Split> splits;
  DA_RETURN_IF_ERROR(tokenizer->load_merges(vocabulary, written, splits));
  tokenizer->fill_byte_merges();
  tokenizer->build_tree(vocabulary, std::move(splits));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

BpeTokenizer::BpeTokenizer(const Vocabulary& vocabulary, PreTokenizer pre_tokenizer)
    : pre_tokenizer_(pre_tokenizer), special_tokens_(vocabulary), unknown_(vocabulary.unknown) {
  adopt(vocabulary);
  add_bos_ = vocabulary.add_bos.value_or(pre_tokenizer.adds_bos_by_default());
  add_eos_ = vocabulary.add_eos.value_or(false);
  clean_spaces_ = pre_tokenizer.cleans_spaces();
  const auto is_word = [&](size_t i) { return kinds_[i] == TokenKind::kNormal || kinds_[i] == TokenKind::kUnused; };
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (is_word(i)) bytes_[i] = bytes_of_text(bytes_[i]);
  }
  if (!pre_tokenizer.ignores_merges()) return;
  words_.reserve(bytes_.size());
  words_.for_each_fetched(
      bytes_.size(), [&](size_t i) { return std::string_view(bytes_[i]); },
      [&](size_t i, std::string_view text, uint64_t hash) {
        if (is_word(i) && !text.empty()) words_.add(text, static_cast<TokenId>(i), hash);
      });
}

Status BpeTokenizer::load_merges(const Vocabulary& vocabulary, const TextIndex& written,
                                 std::vector<MergeTree::Split>& splits) {
  const auto corrupt = [](size_t rank, const std::string& what) {
    return Status(ErrorCode::kCorruptData, "key \"tokenizer.ggml.merges\": merge " + std::to_string(rank) + " " + what);
  };
  constexpr size_t kBlock = 64;  // merges whose look-ups wait together
  merges_.reserve(vocabulary.merges.size());
  std::array<std::array<std::string_view, 2>, kBlock> parts;
  std::array<std::string, kBlock> joined;
  std::array<std::array<TokenId, 3>, kBlock> ids;  // left, right, merged
  for (size_t begin = 0; begin < vocabulary.merges.size(); begin += kBlock) {
    const size_t n = std::min(kBlock, vocabulary.merges.size() - begin);
    for (size_t i = 0; i < n; ++i) {
      const std::string_view text = vocabulary.merges[begin + i];
      const size_t space = text.size() < 3 ? std::string_view::npos : text.find(' ', 1);
      if (space == std::string_view::npos || space + 1 >= text.size())
        return corrupt(begin + i, "is not two tokens with a space between");
      parts[i] = {text.substr(0, space), text.substr(space + 1)};
      joined[i].assign(parts[i][0]).append(parts[i][1]);
    }
    written.for_each_fetched(
        3 * n, [&](size_t k) { return k % 3 < 2 ? parts[k / 3][k % 3] : std::string_view(joined[k / 3]); },
        [&](size_t k, std::string_view text, uint64_t hash) { ids[k / 3][k % 3] = written.find(text, hash); });
    for (size_t i = 0; i < n; ++i) merges_.prefetch(ids[i][0], ids[i][1]);
    for (size_t i = 0; i < n; ++i) {
      const auto [left, right, merged] = ids[i];
      const auto rank = static_cast<uint32_t>(begin + i);
      if (left < 0) return corrupt(rank, "names a left token that the vocabulary lacks");
      if (right < 0) return corrupt(rank, "names a right token that the vocabulary lacks");
      if (merged < 0) return corrupt(rank, "makes a token that the vocabulary lacks");
      if (merges_.find(left, right).merged < 0) splits.push_back({left, right, merged, rank});
      merges_.add(left, right, {rank, merged});
    }
  }
  return Status::ok();
}

// Without a tree, which is for vocabularies whose merges join bytes to longer bytes and nothing else, words are merged.
void BpeTokenizer::build_tree(const Vocabulary& vocabulary, std::vector<MergeTree::Split> splits) {
  // To merging a token is what its spelling stands for, whatever its kind.
  std::unordered_map<TokenId, std::string> others;
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (kinds_[i] != TokenKind::kNormal && kinds_[i] != TokenKind::kUnused)
      others.emplace(static_cast<TokenId>(i), bytes_of_text(vocabulary.texts[i]));
  }
  const auto text = [&](TokenId id) -> std::string_view {
    const TokenKind kind = kinds_[static_cast<size_t>(id)];
    if (kind == TokenKind::kNormal || kind == TokenKind::kUnused) return bytes_[static_cast<size_t>(id)];
    return others.find(id)->second;
  };
  std::vector<TokenId> atoms;
  for (int byte = 0; byte < 256; ++byte) {
    const TokenId token = byte_tokens_[byte];
    if (token < 0) continue;
    const char wanted = static_cast<char>(byte);
    if (text(token) != std::string_view(&wanted, 1)) return;
    atoms.push_back(token);
  }
  for (const MergeTree::Split& split : splits) {
    const std::string_view left = text(split.left), both = text(split.merged);
    if (both.size() != left.size() + text(split.right).size() || !both.starts_with(left) ||
        !both.ends_with(text(split.right)))
      return;
  }
  Merger<Rules> merger;
  tree_.build(merges_, atoms, std::move(splits),
              {bytes_.size(), text, [&](TokenId id) { return merger.is_one(Rules{*this}, text(id), id); }});
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
  WordEncoder<Rules> words(Rules{*this}, merges_, tree_, text.size());
  std::string storage;
  special_tokens_.split(text, options.parse_special, [&](const Fragment& fragment) {
    if (fragment.token >= 0) {
      out.push_back(fragment.token);
      return;
    }
    pre_tokenizer_.for_each_word(made_well_formed(fragment.text, storage), [&](std::string_view word) {
      const TokenId whole = pre_tokenizer_.ignores_merges() ? words_.find(word) : -1;
      if (whole >= 0) {
        out.push_back(whole);
      } else {
        words.encode(word, out);
      }
    });
  });
  if (options.add_special && add_eos_ && eos_ >= 0) out.push_back(eos_);
  return out;
}

}  // namespace da::tokenizer
