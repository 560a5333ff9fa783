#include "tokenizer/spm.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/utf8.h"
#include "tokenizer/unicode.h"

namespace da::tokenizer {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// A character's bytes as a number; `text` is not empty.
uint32_t packed(std::string_view character) {
  uint32_t value = 0;
  for (const char c : character) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

uint64_t hash_pair(uint32_t left, uint32_t right) {
  uint64_t hash = (uint64_t{left} << 32 | right) * 0x9E3779B97F4A7C15;
  return hash ^ hash >> 32;
}

// The character at the front, by its first byte alone, as the reference cuts it: in broken text it may swallow a
// neighbour's bytes, which then all become byte tokens.
std::string_view first_character(std::string_view text) { return text.substr(0, char_length(text[0])); }

std::string with_spaces(std::string_view text) {
  std::string out;
  for (size_t mark = text.find(kSpaceMark); mark != std::string_view::npos; mark = text.find(kSpaceMark)) {
    out += text.substr(0, mark);
    out += ' ';
    text.remove_prefix(mark + kSpaceMark.size());
  }
  return out += text;
}

// Rank 0 for the best score. Equal scores share a rank: among them the leftmost pair merges first.
void rank_by_score(const std::vector<float>& scores, std::vector<uint32_t>& ranks) {
  std::vector<uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
  for (size_t i = 1; i < order.size(); ++i) {
    ranks[order[i]] = ranks[order[i - 1]] + (scores[order[i]] < scores[order[i - 1]] ? 1 : 0);
  }
}

bool can_merge_into(TokenKind kind) {
  // Control tokens must not come out of plain text, nor byte tokens out of their own spelling.
  return kind == TokenKind::kNormal || kind == TokenKind::kUserDefined || kind == TokenKind::kUnused;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> SpmTokenizer::make(const Vocabulary& vocabulary) {
  auto tokenizer = std::unique_ptr<SpmTokenizer>(new SpmTokenizer(vocabulary));
  if (tokenizer->has_list_) {
    DA_RETURN_IF_ERROR(tokenizer->load_merges(vocabulary));
  } else {
    tokenizer->fill_merges();
  }
  const bool has_bytes = std::find(std::begin(tokenizer->byte_tokens_), std::end(tokenizer->byte_tokens_), -1) ==
                         std::end(tokenizer->byte_tokens_);
  if (!has_bytes && tokenizer->unknown_ < 0) {
    return Status(ErrorCode::kCorruptData,
                  "vocabulary has neither all 256 byte tokens nor an unknown token: some text could not be encoded");
  }
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

SpmTokenizer::SpmTokenizer(const Vocabulary& vocabulary)
    : has_list_(vocabulary.model == "gemma4"), special_tokens_(vocabulary) {
  const auto n = static_cast<size_t>(vocabulary.n_tokens());
  adopt(vocabulary);
  // SentencePiece's own numbers, for files that do not say.
  const auto fallback = [&](TokenId id) { return !has_list_ && id < vocabulary.n_tokens() ? id : TokenId{-1}; };
  unknown_ = vocabulary.unknown >= 0 ? vocabulary.unknown : fallback(0);
  if (bos_ < 0) bos_ = fallback(1);
  if (eos_ < 0 && (eos_ = fallback(2)) >= 0) end_of_generation_[static_cast<size_t>(eos_)] = true;
  add_bos_ = vocabulary.add_bos.value_or(true);
  add_eos_ = vocabulary.add_eos.value_or(false);
  add_space_prefix_ = strip_leading_space_ = !has_list_ && vocabulary.add_space_prefix.value_or(true);
  clean_spaces_ = has_list_;

  std::fill(std::begin(byte_tokens_), std::end(byte_tokens_), -1);
  index_.reserve(n);
  size_t n_pairs = 0;
  for (const std::string_view text : vocabulary.texts) n_pairs += text.size();
  pairs_.assign(std::bit_ceil(n_pairs * 4 + 1024) / 64, 0);
  for (size_t i = 0; i < n; ++i) {
    const std::string_view text = vocabulary.texts[i];
    const auto id = static_cast<TokenId>(i);
    if (kinds_[i] == TokenKind::kByte) {
      byte_tokens_[byte_of_token(text)] = id;
      bytes_[i].assign(1, static_cast<char>(byte_of_token(text)));
      continue;
    }
    if (!can_merge_into(kinds_[i])) continue;
    if (!text.empty()) index_.add(text, id);
    note_pairs(text);
    if (kinds_[i] != TokenKind::kUserDefined) bytes_[i] = with_spaces(text);
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    if (byte_tokens_[byte] < 0) byte_tokens_[byte] = index_.find({&text, 1});
  }

  ranks_.resize(n, 0);
  if (!vocabulary.scores.empty() && !has_list_) rank_by_score(vocabulary.scores, ranks_);
}

Status SpmTokenizer::load_merges(const Vocabulary& vocabulary) {
  const auto corrupt = [](size_t rank, const std::string& what) {
    return Status(ErrorCode::kCorruptData, "key \"tokenizer.ggml.merges\": merge " + std::to_string(rank) + " " + what);
  };
  if (vocabulary.merges.empty())
    return Status(ErrorCode::kCorruptData, "key \"tokenizer.ggml.merges\" is absent; a gemma4 vocabulary needs it");
  std::vector<MergeTree::Split> splits;
  merges_.reserve(vocabulary.merges.size());
  for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const std::string_view text = vocabulary.merges[rank];
    const size_t space = text.size() < 3 ? std::string_view::npos : text.find(' ', 1);
    if (space == std::string_view::npos || space + 1 >= text.size())
      return corrupt(rank, "is not two tokens with a space between");
    const TokenId left = index_.find(text.substr(0, space)), right = index_.find(text.substr(space + 1));
    const TokenId merged = index_.find(std::string(text.substr(0, space)).append(text.substr(space + 1)));
    if (left < 0 || right < 0 || merged < 0) return corrupt(rank, "names or makes a token that the vocabulary lacks");
    if (merges_.find(left, right).merged >= 0) continue;
    merges_.add(left, right, {static_cast<uint32_t>(rank), merged});
    splits.push_back({left, right, merged, static_cast<uint32_t>(rank)});
  }
  build_tree(std::move(splits));
  return Status::ok();
}

void SpmTokenizer::fill_merges() {
  std::vector<MergeTree::Split> splits;
  index_.for_each([&](std::string_view text, TokenId merged) {
    if (text.size() > kMaxTabledBytes) return;
    for (size_t at = char_length(text[0]); at < text.size(); at += char_length(text[at])) {
      const TokenId left = index_.find(text.substr(0, at));
      const TokenId right = left < 0 ? -1 : index_.find(text.substr(at));
      if (right >= 0) splits.push_back({left, right, merged, ranks_[static_cast<size_t>(merged)]});
    }
  });
  merges_.reserve(splits.size());
  for (const MergeTree::Split& split : splits) merges_.add(split.left, split.right, {split.rank, split.merged});
  build_tree(std::move(splits));
}

// Without a tree, which is for vocabularies in which every character of every token is a token too, chunks are merged.
void SpmTokenizer::build_tree(std::vector<MergeTree::Split> splits) {
  std::vector<std::string_view> texts(bytes_.size());
  std::vector<TokenId> atoms;
  bool is_regular = true;
  index_.for_each([&](std::string_view text, TokenId id) {
    texts[static_cast<size_t>(id)] = text;
    if ((text.size() > kMaxTabledBytes && !has_list_) || !utf8::is_valid(text)) is_regular = false;
    for (size_t at = 0; is_regular && !has_list_ && at < text.size(); at += char_length(text[at])) {
      if (index_.find(text.substr(at, char_length(text[at]))) < 0) is_regular = false;
    }
    if (text.size() == char_length(text[0])) atoms.push_back(id);
  });
  if (!is_regular) return;
  Merger<Rules> merger;
  const auto text = [&](TokenId id) { return texts[static_cast<size_t>(id)]; };
  tree_.build(merges_, atoms, std::move(splits),
              {bytes_.size(), text, [&](TokenId id) { return merger.is_one(Rules{*this}, text(id), id); }});
}

// Without a list any two neighbours merge whose text is a token; the table knows those that are tokens themselves.
PairMerge SpmTokenizer::Rules::pair(TokenId left, TokenId right, std::string_view both) const {
  if (tokenizer.has_list_ && (left < 0 || right < 0)) return {};
  if (left >= 0 && right >= 0 && (tokenizer.has_list_ || both.size() <= kMaxTabledBytes))
    return tokenizer.merges_.find(left, right);
  const TokenId merged = tokenizer.index_.find(both);
  return merged < 0 ? PairMerge{} : PairMerge{tokenizer.ranks_[static_cast<size_t>(merged)], merged};
}

void SpmTokenizer::note_pairs(std::string_view text) {
  if (text.empty()) return;
  std::string_view left = first_character(text);
  text.remove_prefix(left.size());
  while (!text.empty()) {
    const std::string_view right = first_character(text);
    const uint64_t bit = hash_pair(packed(left), packed(right)) & (pairs_.size() * 64 - 1);
    pairs_[bit / 64] |= uint64_t{1} << bit % 64;
    if (left.size() + right.size() == 2 && ((left[0] | right[0]) & 0x80) == 0)
      ascii_pairs_[static_cast<size_t>(left[0] * 128 + right[0])] = true;
    left = right;
    text.remove_prefix(right.size());
  }
}

bool SpmTokenizer::may_join(std::string_view left, std::string_view right) const {
  if (left.size() + right.size() == 2 && ((left[0] | right[0]) & 0x80) == 0)
    return ascii_pairs_[static_cast<size_t>(left[0] * 128 + right[0])];
  const uint64_t bit = hash_pair(packed(left), packed(right)) & (pairs_.size() * 64 - 1);
  return (pairs_[bit / 64] >> bit % 64 & 1) != 0;
}

std::vector<TokenId> SpmTokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<TokenId> out;
  out.reserve(text.size() / 3 + 8);
  if (options.add_special && add_bos_ && bos_ >= 0) out.push_back(bos_);
  WordEncoder<Rules> words(Rules{*this}, merges_, tree_, text.size());
  bool after_special = true;
  special_tokens_.split(text, options.parse_special, [&](const Fragment& fragment) {
    if (fragment.token >= 0) {
      out.push_back(fragment.token);
    } else {
      encode_fragment(fragment.text, add_space_prefix_ && after_special, words, out);
    }
    after_special = fragment.token >= 0;
  });
  if (options.add_special && add_eos_ && eos_ >= 0) out.push_back(eos_);
  return out;
}

void SpmTokenizer::encode_fragment(std::string_view text, bool add_space, WordEncoder<Rules>& words,
                                   std::vector<TokenId>& out) const {
  std::string marked;
  marked.reserve(text.size() + text.size() / 2 + 8);
  if (add_space) marked += kSpaceMark;
  for (const char c : text) {
    if (c == ' ') {
      marked += kSpaceMark;
    } else {
      marked += c;
    }
  }
  const std::string_view all = marked;
  size_t begin = 0;
  std::string_view last = first_character(all);
  for (size_t at = last.size(); at < all.size();) {
    const std::string_view next = first_character(all.substr(at));
    const bool is_border = has_list_ && (last == "\n") != (next == "\n");
    if (is_border || !may_join(last, next)) {
      encode_chunk(all.substr(begin, at - begin), words, out);
      begin = at;
    }
    last = next;
    at += next.size();
  }
  encode_chunk(all.substr(begin), words, out);
}

void SpmTokenizer::encode_chunk(std::string_view chunk, WordEncoder<Rules>& words, std::vector<TokenId>& out) const {
  // With a list, newlines in a row that are a token are not merged.
  if (has_list_ && chunk.starts_with('\n')) {
    if (const TokenId whole = index_.find(chunk); whole >= 0) {
      out.push_back(whole);
      return;
    }
  }
  words.encode(chunk, out);
}

void SpmTokenizer::Rules::unknown(std::string_view symbol, std::vector<TokenId>& out) const {
  for (const char c : symbol) {
    const TokenId byte_token = tokenizer.byte_tokens_[static_cast<unsigned char>(c)];
    out.push_back(byte_token >= 0 ? byte_token : tokenizer.unknown_);
  }
}

}  // namespace da::tokenizer
