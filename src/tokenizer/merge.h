#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace da::tokenizer {

inline constexpr uint32_t kNoMerge = std::numeric_limits<uint32_t>::max();

// What two neighbours may become: lower ranks merge first, equal ranks from left to right.
struct PairMerge {
  uint32_t rank = kNoMerge;
  TokenId merged = -1;
};

// A token, or a symbol that is none (id -1), with its bytes in the text.
struct Piece {
  size_t begin, end;
  TokenId id;
};

// Merging as both kinds of BPE define it: always the best pair of neighbours in the text, until no pair may merge.
// `Rules`:
//   size_t symbol_bytes(std::string_view rest) const    length of the first symbol
//   TokenId symbol_id(std::string_view symbol) const    -1 if it is no token
//   PairMerge pair(TokenId left, TokenId right, std::string_view both) const
template <class Rules>
class WindowMerger {
 public:
  // Merges symbols from the front of `text`, all of them or the first that make up `max_bytes`. The pieces are valid
  // until the next call.
  const std::vector<Piece>& run(const Rules& rules, std::string_view text, size_t max_bytes) {
    begins_.clear();
    ids_.clear();
    size_t end = 0;
    while (end < text.size() && end < max_bytes) {
      const size_t n_bytes = std::min(rules.symbol_bytes(text.substr(end)), text.size() - end);
      begins_.push_back(static_cast<uint32_t>(end));
      ids_.push_back(rules.symbol_id(text.substr(end, n_bytes)));
      end += n_bytes;
    }
    begins_.push_back(static_cast<uint32_t>(end));
    pieces_.clear();
    if (ids_.size() <= kMaxScanned) {
      run_by_scanning(rules, text);
    } else {
      run_by_tournament(rules, text);
    }
    return pieces_;
  }

 private:
  static constexpr size_t kMaxScanned = 48;

  // Words as they occur: looking at all pairs for the best one beats any queue.
  void run_by_scanning(const Rules& rules, std::string_view text) {
    uint32_t begins[kMaxScanned + 1], ranks[kMaxScanned + 1];
    TokenId ids[kMaxScanned + 1], merged[kMaxScanned + 1];
    size_t n = ids_.size();
    std::copy(begins_.begin(), begins_.end(), begins);
    std::copy(ids_.begin(), ids_.end(), ids);
    const auto update = [&](size_t i) {
      const PairMerge pair = rules.pair(ids[i], ids[i + 1], text.substr(begins[i], begins[i + 2] - begins[i]));
      ranks[i] = pair.rank;
      merged[i] = pair.merged;
    };
    for (size_t i = 0; i + 1 < n; ++i) update(i);
    while (n > 1) {
      uint32_t best_rank = kNoMerge;
      for (size_t i = 0; i + 1 < n; ++i) best_rank = std::min(best_rank, ranks[i]);
      if (best_rank == kNoMerge) break;
      size_t best = 0;
      while (ranks[best] != best_rank) ++best;
      ids[best] = merged[best];
      std::copy(begins + best + 2, begins + n + 1, begins + best + 1);
      std::copy(ids + best + 2, ids + n, ids + best + 1);
      if (best + 2 < n) {
        std::copy(ranks + best + 2, ranks + n - 1, ranks + best + 1);
        std::copy(merged + best + 2, merged + n - 1, merged + best + 1);
      }
      --n;
      if (best > 0) update(best - 1);
      if (best + 1 < n) update(best);
    }
    for (size_t i = 0; i < n; ++i) pieces_.push_back({begins[i], begins[i + 1], ids[i]});
  }

  // More symbols: a linked list of them, and a tournament of their pairs. Its matches are played without branches,
  // which makes it twice as fast as a heap here.
  void run_by_tournament(const Rules& rules, std::string_view text) {
    const auto n = static_cast<uint32_t>(ids_.size());
    merged_.resize(n);
    previous_.resize(n);
    next_.resize(n + 1);
    n_leaves_ = std::bit_ceil(size_t{n});
    winners_.assign(2 * n_leaves_, kNobody);
    const auto entry = [&](uint32_t i) {
      const uint32_t right = next_[i];
      if (right >= n) return kNobody;
      const PairMerge pair =
          rules.pair(ids_[i], ids_[right], text.substr(begins_[i], begins_[next_[right]] - begins_[i]));
      merged_[i] = pair.merged;
      return pair.rank == kNoMerge ? kNobody : uint64_t{pair.rank} << 32 | i;
    };
    for (uint32_t i = 0; i <= n; ++i) next_[i] = i + 1;
    for (uint32_t i = 0; i < n; ++i) {
      previous_[i] = i - 1;
      winners_[n_leaves_ + i] = entry(i);
    }
    for (size_t match = n_leaves_ - 1; match > 0; --match)
      winners_[match] = std::min(winners_[2 * match], winners_[2 * match + 1]);
    while (winners_[1] != kNobody) {
      const auto left = static_cast<uint32_t>(winners_[1]);
      const uint32_t right = next_[left], after = next_[right];
      ids_[left] = merged_[left];
      next_[left] = after;
      if (after < n) previous_[after] = left;
      replay(right, kNobody);
      replay(left, entry(left));
      if (left > 0) replay(previous_[left], entry(previous_[left]));
    }
    for (uint32_t i = 0; i < n; i = next_[i]) pieces_.push_back({begins_[i], begins_[next_[i]], ids_[i]});
  }

  void replay(uint32_t symbol, uint64_t entry) {
    size_t match = n_leaves_ + symbol;
    winners_[match] = entry;
    for (match /= 2; match > 0; match /= 2) winners_[match] = std::min(winners_[2 * match], winners_[2 * match + 1]);
  }

  static constexpr uint64_t kNobody = ~uint64_t{0};

  std::vector<uint32_t> begins_;  // [n + 1]
  std::vector<TokenId> ids_;      // [n]
  std::vector<uint32_t> previous_, next_;
  std::vector<TokenId> merged_;    // [n] what a symbol and its next one become
  std::vector<uint64_t> winners_;  // [2 * n_leaves_] best (rank, symbol) below each match; the leaves are the pairs
  size_t n_leaves_ = 1;
  std::vector<Piece> pieces_;
};

// Merges words of any length in linear time and bounded memory, with the result of merging them whole.
//
// Why windows may be joined: a list of tokens is the merging of its text exactly if each two neighbours, merged alone,
// stay as they are. (Take the first merge that would cross a border between two of the tokens. Restricted to these two,
// the merges so far are those of the two alone, so the crossing one would be the best there, too.) So a front part that
// is final, a window merged after it, and one look at the two tokens on either side of the border make a longer final
// part. The last tokens of a window may change with what follows and are merged again in the next one. If the look
// fails, the window begins earlier.
template <class Rules>
class Merger {
 public:
  // Whether two tokens of one text, the first of `left_bytes`, merged alone are the same two.
  bool stay_apart(const Rules& rules, std::string_view both, size_t left_bytes) {
    const std::vector<Piece>& pieces = border_.run(rules, both, both.size());
    return pieces.size() == 2 && pieces[0].end == left_bytes;
  }
  // Whether the text becomes one token.
  bool is_one(const Rules& rules, std::string_view text, TokenId token) {
    const std::vector<Piece>& pieces = border_.run(rules, text, text.size());
    return pieces.size() == 1 && pieces[0].id == token;
  }
  // emit(TokenId id, std::string_view text) gets the pieces in order.
  template <class Emit>
  void run(const Rules& rules, std::string_view word, const Emit& emit) {
    if (word.size() <= kWindowBytes) {
      for (const Piece& piece : window_.run(rules, word, word.size()))
        emit(piece.id, word.substr(piece.begin, piece.end - piece.begin));
      return;
    }
    final_.clear();
    size_t from = 0, window_bytes = kWindowBytes;
    while (from < word.size()) {
      const std::vector<Piece>& pieces = window_.run(rules, word.substr(from), window_bytes);
      const bool may_grow = window_bytes < kMaxWindowBytes;
      if (!final_.empty() && may_grow && !borders_on(rules, word, final_.back(), from + pieces.front().end)) {
        while (!final_.empty() && from - final_.back().begin < window_bytes / 4) final_.pop_back();
        from = final_.empty() ? 0 : final_.back().end;
        window_bytes *= 2;
        continue;
      }
      size_t n = pieces.size();
      if (from + pieces.back().end < word.size()) {
        while (n > 0 && pieces[n - 1].end > window_bytes - window_bytes / 8) --n;
        if (n == 0 && may_grow) {
          window_bytes *= 2;
          continue;
        }
        if (n == 0) n = pieces.size();
      }
      for (size_t i = 0; i < n; ++i) final_.push_back({from + pieces[i].begin, from + pieces[i].end, pieces[i].id});
      from = final_.back().end;
      window_bytes = kWindowBytes;
      if (final_.size() > 2 * kMaxWindowBytes) emit_front(word, final_.size() - kMaxWindowBytes, emit);
    }
    emit_front(word, final_.size(), emit);
  }

 private:
  static constexpr size_t kWindowBytes = 1024;
  // Where even this much context cannot decide a border, the text is cut there.
  static constexpr size_t kMaxWindowBytes = size_t{1} << 16;

  bool borders_on(const Rules& rules, std::string_view word, const Piece& left, size_t right_end) {
    return stay_apart(rules, word.substr(left.begin, right_end - left.begin), left.end - left.begin);
  }
  template <class Emit>
  void emit_front(std::string_view word, size_t n, const Emit& emit) {
    for (size_t i = 0; i < n; ++i) emit(final_[i].id, word.substr(final_[i].begin, final_[i].end - final_[i].begin));
    final_.erase(final_.begin(), final_.begin() + static_cast<std::ptrdiff_t>(n));
  }

  WindowMerger<Rules> window_, border_;
  std::vector<Piece> final_;  // not yet emitted; a failed look may take some back
};

}  // namespace da::tokenizer
