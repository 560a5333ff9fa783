#include "engine/grammar/token_trie.h"

#include <algorithm>

#include "engine/grammar/machine.h"

namespace da::grammar {

PreorderTrie::PreorderTrie(std::vector<std::pair<std::string_view, uint32_t>> strings) {
  std::erase_if(strings, [](const auto& s) { return s.first.size() > kMaxDepth; });
  std::sort(strings.begin(), strings.end());
  items_.reserve(strings.size());
  std::vector<uint32_t> open;  // nodes on the path of the last string
  std::string_view last;
  for (const auto& [bytes, item] : strings) {
    size_t common = 0;
    while (common < bytes.size() && common < last.size() && bytes[common] == last[common]) ++common;
    for (; open.size() > common; open.pop_back()) nodes_[open.back()].subtree_end = static_cast<uint32_t>(nodes_.size());
    for (size_t i = common; i < bytes.size(); ++i) {
      open.push_back(static_cast<uint32_t>(nodes_.size()));
      const auto here = static_cast<uint32_t>(items_.size());
      nodes_.push_back({.first_item = here, .end_item = here, .depth = static_cast<uint16_t>(i + 1), .byte = static_cast<uint8_t>(bytes[i])});
    }
    items_.push_back(item);
    if (bytes.empty()) {
      ++n_root_items_;
    } else {
      nodes_[open.back()].end_item = static_cast<uint32_t>(items_.size());
    }
    max_depth_ = std::max(max_depth_, bytes.size());
    last = bytes;
  }
  for (const uint32_t node : open) nodes_[node].subtree_end = static_cast<uint32_t>(nodes_.size());
}

TokenTrie::TokenTrie(const std::vector<std::string_view>& token_bytes) : impl_(std::make_unique<Impl>()) {
  Impl& t = *impl_;
  t.n_tokens = token_bytes.size();
  t.n_words = (t.n_tokens + 63) / 64;
  t.closing_of.assign(t.n_tokens, -1);
  // An unbounded string, whose frame counts because its maximum is not the unbounded one.
  Program string;
  string.nodes.push_back({NodeKind::kString, 0});
  string.strings.push_back({.max = kUnbounded - 1});
  Frame body;
  step_string(string, body, '"');

  std::vector<std::pair<std::string_view, uint32_t>> all, rests;
  std::vector<std::pair<uint32_t, uint32_t>> inside;
  for (size_t id = 0; id < token_bytes.size(); ++id) {
    const std::string_view bytes = token_bytes[id];
    if (bytes.empty()) continue;
    const auto token = static_cast<uint32_t>(id);
    all.emplace_back(bytes, token);
    Frame frame = body;
    StringStep result = StringStep::kStays;
    size_t n = 0;
    while (n < bytes.size() && result == StringStep::kStays) result = step_string(string, frame, static_cast<uint8_t>(bytes[n++]));
    if (result == StringStep::kStays) inside.emplace_back(token, frame.count);
    if (result == StringStep::kCloses) {
      rests.emplace_back(bytes.substr(n), static_cast<uint32_t>(t.closing.size()));
      t.closing_of[id] = static_cast<int32_t>(t.closing.size());
      t.closing.push_back({token, frame.count, static_cast<uint32_t>(bytes.size())});
    }
  }
  t.trie = PreorderTrie(std::move(all));
  t.after_quote = PreorderTrie(std::move(rests));
  t.inside.assign(Impl::kCounts, std::vector<uint64_t>(t.n_words, 0));
  for (const auto& [token, count] : inside) {
    t.inside_max = std::max(t.inside_max, count);
    if (count >= Impl::kCounts) t.inside_long.emplace_back(token, count);
    for (uint32_t i = count; i < Impl::kCounts; ++i) t.inside[i][token / 64] |= uint64_t{1} << (token % 64);
  }
}

TokenTrie::~TokenTrie() = default;
TokenTrie::TokenTrie(TokenTrie&&) noexcept = default;
size_t TokenTrie::n_tokens() const { return impl_->n_tokens; }

}  // namespace da::grammar
