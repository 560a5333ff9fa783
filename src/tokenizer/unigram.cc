#include "tokenizer/unigram.h"

#include <algorithm>
#include <limits>

#include "base/utf8.h"
#include "tokenizer/unicode.h"

namespace da::tokenizer {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";    // U+2581
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// The best way to cut the text up to a place: its last token, where that begins, and the sum of scores.
struct Cut {
  double score = -std::numeric_limits<double>::infinity();
  size_t begin = 0;
  TokenId token = -1;
};

// The cuts of the places from `base` on. Those before are settled: every way that is still open agrees on them, so that
// a text of any length is cut in bounded memory.
class Lattice {
 public:
  explicit Lattice(TokenId unknown) : unknown_(unknown), cuts_{{0.0, 0, -1}} {}

  double score(size_t at) const { return cuts_[at - base_].score; }
  void offer(size_t end, const Cut& cut) {
    if (cuts_.size() <= end - base_) cuts_.resize(end - base_ + 1);
    if (cut.score > cuts_[end - base_].score) cuts_[end - base_] = cut;
  }
  // Called at each place in order; now and then hands out what is settled.
  void reach(size_t at, std::vector<TokenId>& out) {
    if (at - base_ < settle_at_) return;
    settle(at, out);
    settle_at_ = 2 * (at - base_) + kWindow;
  }
  void finish(size_t end, std::vector<TokenId>& out) { hand_out(end, out); }

 private:
  static constexpr size_t kWindow = 1 << 15;

  // All open ways go through the cuts of the places from `at` on; they are followed back until they meet.
  void settle(size_t at, std::vector<TokenId>& out) {
    std::vector<size_t> open;
    for (size_t place = at; place < base_ + cuts_.size(); ++place) {
      if (cuts_[place - base_].token >= 0) open.push_back(place);
    }
    while (open.size() > 1) {
      // The furthest one steps back.
      std::sort(open.begin(), open.end());
      open.erase(std::unique(open.begin(), open.end()), open.end());
      if (open.size() == 1 || open.back() == base_) break;
      open.back() = cuts_[open.back() - base_].begin;
    }
    if (open.empty() || open.front() <= base_ || open.size() > 1) return;
    hand_out(open.front(), out);
    cuts_.erase(cuts_.begin(), cuts_.begin() + static_cast<ptrdiff_t>(open.front() - base_));
    base_ = open.front();
  }

  void hand_out(size_t end, std::vector<TokenId>& out) {
    const size_t from = out.size();
    for (size_t at = end; at > base_; at = cuts_[at - base_].begin) out.push_back(cuts_[at - base_].token);
    std::reverse(out.begin() + static_cast<ptrdiff_t>(from), out.end());
    // Unknown characters in a row are one token.
    auto kept = out.begin() + static_cast<ptrdiff_t>(from);
    for (auto it = kept; it != out.end(); ++it) {
      const bool again = *it == unknown_ && was_unknown_;
      was_unknown_ = *it == unknown_;
      if (!again) *kept++ = *it;
    }
    out.erase(kept, out.end());
  }

  const TokenId unknown_;
  size_t base_ = 0, settle_at_ = kWindow;
  bool was_unknown_ = false;
  std::vector<Cut> cuts_;
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
  float least = 0;
  for (size_t i = 0; i < bytes_.size(); ++i) {
    const TokenKind kind = kinds_[i];
    if (kind == TokenKind::kNormal && i < scores_.size()) least = std::min(least, scores_[i]);
    if (kind == TokenKind::kUserDefined) {
      user_defined_.add(bytes_[i], static_cast<TokenId>(i));
      if (i < scores_.size()) scores_[i] = 0;
    }
    if (kind == TokenKind::kNormal || kind == TokenKind::kUserDefined || kind == TokenKind::kUnused) {
      tokens_.add(bytes_[i], static_cast<TokenId>(i));
    }
    if (kind == TokenKind::kByte) bytes_[i].assign(1, static_cast<char>(byte_of_token(bytes_[i])));
    if (kind != TokenKind::kNormal) continue;
    std::string& text = bytes_[i];
    for (size_t mark = text.find(kSpaceMark); mark != std::string::npos; mark = text.find(kSpaceMark, mark + 1))
      text.replace(mark, kSpaceMark.size(), " ");
  }
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
    size_t own = 0;
    uint32_t node = Trie::kRoot;
    for (size_t i = 0; i < text.size() && (node = user_defined_.step(node, text[i])) != Trie::kNone; ++i) {
      if (user_defined_.value(node) >= 0) own = i + 1;
    }
    if (own > 0) {
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
  Lattice lattice(unknown_);
  for (size_t at = 0; at < all.size();) {
    lattice.reach(at, out);
    const double score = lattice.score(at);
    const size_t character = std::min(char_length(all[at]), all.size() - at);
    bool covered = false;
    uint32_t node = Trie::kRoot;
    for (size_t end = at; end < all.size() && (node = tokens_.step(node, all[end])) != Trie::kNone;) {
      ++end;
      const TokenId token = tokens_.value(node);
      if (token < 0) continue;
      covered = covered || end - at == character;
      lattice.offer(end, {score + static_cast<double>(scores_[static_cast<size_t>(token)]), at, token});
    }
    if (!covered) lattice.offer(at + character, {score + unknown_score_, at, unknown_});
    at += character;
  }
  lattice.finish(all.size(), out);
}

}  // namespace da::tokenizer
