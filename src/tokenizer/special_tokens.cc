#include "tokenizer/special_tokens.h"

#include <algorithm>
#include <utility>

namespace da::tokenizer {
namespace {

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary) {
  for (TokenId id = 0; id < vocabulary.n_tokens(); ++id) {
    const TokenKind kind = vocabulary.kinds[static_cast<size_t>(id)];
    const std::string_view text = vocabulary.texts[static_cast<size_t>(id)];
    if (text.empty() || (kind != TokenKind::kControl && kind != TokenKind::kUserDefined && kind != TokenKind::kUnknown))
      continue;
    // Phi-3's tokenizer strips white space after all added tokens but these three.
    const bool strip_right =
        vocabulary.special_tokens_strip_right && text != "<unk>" && text != "<s>" && text != "<|endoftext|>";
    specials_.push_back({std::string(text), id, strip_right});
  }
  std::stable_sort(specials_.begin(), specials_.end(),
                   [](const Special& a, const Special& b) { return a.text.size() > b.text.size(); });
  std::vector<std::pair<std::string_view, int32_t>> all, user_defined;
  for (size_t rank = 0; rank < specials_.size(); ++rank) {
    all.emplace_back(specials_[rank].text, static_cast<int32_t>(rank));
    if (vocabulary.kinds[static_cast<size_t>(specials_[rank].id)] == TokenKind::kUserDefined)
      user_defined.push_back(all.back());
  }
  all_ = PrefixTree(std::move(all));
  user_defined_ = PrefixTree(std::move(user_defined));
}

size_t SpecialTokens::find_cluster(const PrefixTree& trie, std::string_view text, size_t at, Cluster& cluster) const {
  size_t end = at;
  for (size_t start = at; start == at || start < end; ++start) {
    uint32_t node = PrefixTree::kRoot;
    for (size_t i = start; i < text.size(); ++i) {
      node = trie.step(node, text[i]);
      if (node == PrefixTree::kNone) break;
      const int32_t rank = trie.value(node);
      if (rank < 0) continue;
      const auto index = static_cast<size_t>(rank);
      end = std::max(end, i + 1);
      if (specials_[index].strip_right) {
        // The white space it swallows may hold the start of another match.
        while (end < text.size() && is_ascii_space(text[end])) ++end;
      }
      if (cluster.seen.empty()) cluster.seen.resize(specials_.size());
      if (!cluster.seen[index]) cluster.ranks.push_back(rank);
      cluster.seen[index] = true;
    }
    if (end == at) return at;
  }
  resolve(text.substr(at, end - at), cluster);
  for (const int32_t rank : cluster.ranks) cluster.seen[static_cast<size_t>(rank)] = false;
  cluster.ranks.clear();
  return end;
}

// The reference's order of events, on one cluster: each token, longest first, is cut out of all text that is left.
void SpecialTokens::resolve(std::string_view text, Cluster& cluster) const {
  std::sort(cluster.ranks.begin(), cluster.ranks.end());
  cluster.fragments.assign(1, {text, -1});
  for (const int32_t rank : cluster.ranks) {
    const Special& special = specials_[static_cast<size_t>(rank)];
    cluster.next.clear();
    for (const Fragment& fragment : cluster.fragments) {
      std::string_view rest = fragment.text;
      if (fragment.token >= 0) {
        cluster.next.push_back(fragment);
        continue;
      }
      for (size_t match = rest.find(special.text); match != std::string_view::npos; match = rest.find(special.text)) {
        size_t after = match + special.text.size();
        while (special.strip_right && after < rest.size() && is_ascii_space(rest[after])) ++after;
        if (match > 0) cluster.next.push_back({rest.substr(0, match), -1});
        cluster.next.push_back({rest.substr(match, after - match), special.id});
        rest.remove_prefix(after);
      }
      if (!rest.empty()) cluster.next.push_back({rest, -1});
    }
    cluster.fragments.swap(cluster.next);
  }
}

}  // namespace da::tokenizer
