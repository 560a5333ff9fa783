#include "tokenizer/unigram.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/utf8.h"
#include "tokenizer/unicode.h"

namespace da::tokenizer {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";    // U+2581
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// The best ways to cut the text up to each place, by their last token. Those of the places before `base` are settled:
// every way that is still open agrees on them, so that ordinary text of any length is cut in bounded memory. In runs of
// one character the ways may never meet; then a place takes four bytes.
class Lattice {
 public:
  Lattice(TokenId unknown, const std::vector<uint32_t>& lengths, size_t longest)
      : unknown_(unknown), lengths_(lengths), scores_(std::bit_ceil(longest + 2), 0.0), cuts_{kNoCut} {}

  double score(size_t at) const { return scores_[at & (scores_.size() - 1)]; }
  void offer(size_t end, double score, TokenId token) { put(end, score, token); }
  void offer_unknown(size_t end, double score, size_t n_bytes) { put(end, score, -static_cast<int32_t>(n_bytes)); }
  // Called at each place in order; now and then hands out what is settled.
  void reach(size_t at, std::vector<TokenId>& out) {
    if (at - base_ < settle_at_) return;
    settle(at, out);
    settle_at_ = 2 * (at - base_) + kWindow;
  }
  void finish(size_t end, std::vector<TokenId>& out) { hand_out(end, out); }

 private:
  static constexpr size_t kWindow = 1 << 15;
  static constexpr int32_t kNoCut = std::numeric_limits<int32_t>::min();

  void put(size_t end, double score, int32_t cut) {
    for (size_t place = base_ + cuts_.size(); place <= end; ++place) {
      cuts_.push_back(kNoCut);
      scores_[place & (scores_.size() - 1)] = -std::numeric_limits<double>::infinity();
    }
    double& best = scores_[end & (scores_.size() - 1)];
    if (score <= best) return;
    best = score;
    cuts_[end - base_] = cut;
  }
  size_t begin_of(size_t place) const {
    const int32_t cut = cuts_[place - base_];
    return place - static_cast<size_t>(cut < 0 ? -cut : static_cast<int32_t>(lengths_[static_cast<size_t>(cut)]));
  }

  // All open ways go through the cuts of the places from `at` on; they are followed back until they meet.
  void settle(size_t at, std::vector<TokenId>& out) {
    std::vector<size_t> open;
    for (size_t place = at; place < base_ + cuts_.size(); ++place) {
      if (cuts_[place - base_] != kNoCut) open.push_back(place);
    }
    while (open.size() > 1) {
      // The furthest one steps back.
      std::sort(open.begin(), open.end());
      open.erase(std::unique(open.begin(), open.end()), open.end());
      if (open.size() == 1 || open.back() == base_) break;
      open.back() = begin_of(open.back());
    }
    if (open.empty() || open.front() <= base_ || open.size() > 1) return;
    hand_out(open.front(), out);
    cuts_.erase(cuts_.begin(), cuts_.begin() + static_cast<ptrdiff_t>(open.front() - base_));
    base_ = open.front();
  }

  void hand_out(size_t end, std::vector<TokenId>& out) {
    const size_t from = out.size();
    for (size_t at = end; at > base_; at = begin_of(at)) out.push_back(std::max(cuts_[at - base_], -1));
    std::reverse(out.begin() + static_cast<ptrdiff_t>(from), out.end());
    // Unknown characters in a row are one token.
    auto kept = out.begin() + static_cast<ptrdiff_t>(from);
    for (auto it = kept; it != out.end(); ++it) {
      const TokenId token = *it < 0 ? unknown_ : *it;
      const bool again = token == unknown_ && was_unknown_;
      was_unknown_ = token == unknown_;
      if (!again) *kept++ = token;
    }
    out.erase(kept, out.end());
  }

  const TokenId unknown_;
  const std::vector<uint32_t>& lengths_;
  size_t base_ = 0, settle_at_ = kWindow;
  bool was_unknown_ = false;
  std::vector<double> scores_;  // of the places that tokens from here may reach, round and round
  std::vector<int32_t> cuts_;   // the last token; below 0: that many bytes of an unknown character
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> UnigramTokenizer::make(const Vocabulary& vocabulary) {
  auto tokenizer = std::unique_ptr<UnigramTokenizer>(new UnigramTokenizer(vocabulary));
  if (vocabulary.scores.empty())
    return Status(ErrorCode::kCorruptData, "key \"tokenizer.ggml.scores\" is absent; a unigram vocabulary needs it");
  if (tokenizer->unknown_ < 0 || tokenizer->unknown_ >= vocabulary.n_tokens()) {
    return Status(ErrorCode::kCorruptData,
                  "key \"tokenizer.ggml.unknown_token_id\" is absent; a unigram vocabulary needs it");
  }
  auto map = CharMap::parse(vocabulary.char_map);
  if (!map.is_ok()) return map.status().with_context("key \"tokenizer.ggml.precompiled_charsmap\"");
  tokenizer->char_map_ = std::move(*map);
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

UnigramTokenizer::UnigramTokenizer(const Vocabulary& vocabulary)
    : special_tokens_(vocabulary), scores_(vocabulary.scores), unknown_(vocabulary.unknown) {
  adopt(vocabulary);
  // T5's own numbers, for files that do not say.
  const auto fallback = [&](TokenId id) { return id < vocabulary.n_tokens() ? id : TokenId{-1}; };
  if (unknown_ < 0) unknown_ = fallback(2);
  if (eos_ < 0 && (eos_ = fallback(1)) >= 0) end_of_generation_[static_cast<size_t>(eos_)] = true;
  add_bos_ = vocabulary.add_bos.value_or(false);
  add_eos_ = vocabulary.add_eos.value_or(true);
  add_space_prefix_ = strip_leading_space_ = vocabulary.add_space_prefix.value_or(true);
  merge_spaces_ = vocabulary.remove_extra_spaces;
  space_is_suffix_ = vocabulary.space_is_suffix;
  lengths_.assign(bytes_.size(), 0);
  float least = 0;
  std::vector<std::pair<std::string_view, int32_t>> texts, user_defined;
  for (size_t i = 0; i < bytes_.size(); ++i) {
    const TokenKind kind = kinds_[i];
    if (kind == TokenKind::kNormal && i < scores_.size()) least = std::min(least, scores_[i]);
    if (kind == TokenKind::kUserDefined) {
      user_defined.emplace_back(vocabulary.texts[i], static_cast<TokenId>(i));
      if (i < scores_.size()) scores_[i] = 0;
    }
    if (kind == TokenKind::kNormal || kind == TokenKind::kUserDefined || kind == TokenKind::kUnused) {
      texts.emplace_back(vocabulary.texts[i], static_cast<TokenId>(i));
      lengths_[i] = static_cast<uint32_t>(vocabulary.texts[i].size());
      longest_ = std::max(longest_, vocabulary.texts[i].size());
    }
    if (kind == TokenKind::kByte) bytes_[i].assign(1, static_cast<char>(byte_of_token(bytes_[i])));
    if (kind != TokenKind::kNormal) continue;
    std::string& text = bytes_[i];
    for (size_t mark = text.find(kSpaceMark); mark != std::string::npos; mark = text.find(kSpaceMark, mark + 1))
      text.replace(mark, kSpaceMark.size(), " ");
  }
  tokens_ = PrefixTree(std::move(texts));
  user_defined_ = PrefixTree(std::move(user_defined));
  constexpr double kUnknownPenalty = 10;
  unknown_score_ = static_cast<double>(least) - kUnknownPenalty;
}

std::string UnigramTokenizer::normalized(std::string_view text) const {
  std::string out;
  out.reserve(text.size() + text.size() / 2 + 8);
  const bool prepend = add_space_prefix_ && !space_is_suffix_, append = add_space_prefix_ && space_is_suffix_;
  bool prepended = false, in_word = false;
  const auto put = [&](std::string_view piece) {
    for (const char c : piece) {
      if (c == ' ') {
        in_word = false;
        if (!merge_spaces_) out += kSpaceMark;
        continue;
      }
      if (!in_word && ((prepend && !prepended) || merge_spaces_)) {
        out += kSpaceMark;
        prepended = true;
      }
      in_word = true;
      out += c;
    }
  };
  while (!text.empty()) {
    // User-defined tokens stay as they are.
    const TokenId token = user_defined_.longest(text);
    if (token >= 0) {
      const size_t own = lengths_[static_cast<size_t>(token)];
      put(text.substr(0, own));
      text.remove_prefix(own);
      continue;
    }
    if (const CharMap::Match match = char_map_.longest(text); match.length > 0) {
      put(match.replacement);
      text.remove_prefix(match.length);
      continue;
    }
    const utf8::Decoded decoded = utf8::decode_one(text);
    put(decoded.valid ? text.substr(0, decoded.length) : kReplacement);
    text.remove_prefix(decoded.valid ? decoded.length : 1);
  }
  if (append) out += kSpaceMark;
  return out;
}

std::vector<TokenId> UnigramTokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::vector<TokenId> out;
  if (options.add_special && add_bos_ && bos_ >= 0) out.push_back(bos_);
  special_tokens_.split(text, options.parse_special, [&](const Fragment& fragment) {
    if (fragment.token >= 0) {
      out.push_back(fragment.token);
    } else {
      encode_fragment(fragment.text, out);
    }
  });
  if (options.add_special && add_eos_ && eos_ >= 0) out.push_back(eos_);
  return out;
}

void UnigramTokenizer::encode_fragment(std::string_view text, std::vector<TokenId>& out) const {
  const std::string all = normalized(text);
  Lattice lattice(unknown_, lengths_, longest_);
  for (size_t at = 0; at < all.size();) {
    lattice.reach(at, out);
    const double score = lattice.score(at);
    const size_t character = std::min(char_length(all[at]), all.size() - at);
    bool covered = false;
    uint32_t node = PrefixTree::kRoot;
    for (size_t end = at; end < all.size() && (node = tokens_.step(node, all[end])) != PrefixTree::kNone;) {
      ++end;
      const TokenId token = tokens_.value(node);
      if (token < 0) continue;
      covered = covered || end - at == character;
      lattice.offer(end, score + static_cast<double>(scores_[static_cast<size_t>(token)]), token);
    }
    if (!covered) lattice.offer_unknown(at + character, score + unknown_score_, character);
    at += character;
  }
  lattice.finish(all.size(), out);
}

}  // namespace da::tokenizer
