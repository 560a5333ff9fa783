#include "engine/prefix_cache.h"

#include <algorithm>
#include <string_view>

#include "base/result.h"

namespace da::engine {

size_t PrefixCache::KeyHash::operator()(const Key& key) const {
  const std::string_view bytes(reinterpret_cast<const char*>(key.tokens.data()), sizeof key.tokens);
  return std::hash<std::string_view>()(bytes) ^ (key.parent * 0x9E3779B97F4A7C15U);
}

PrefixCache::NodeId PrefixCache::root(const std::string& name_space) {
  const auto [found, is_new] = roots_.try_emplace(name_space, last_id_ + 1);
  if (is_new) nodes_.emplace(++last_id_, Node{});
  return found->second;
}

PrefixCache::NodeId PrefixCache::child(NodeId parent, std::span<const int32_t> page_tokens) const {
  Key key{.parent = parent};
  std::copy(page_tokens.begin(), page_tokens.end(), key.tokens.begin());
  const auto found = children_.find(key);
  return found == children_.end() ? 0 : found->second;
}

void PrefixCache::touch(NodeId id) {
  Node& node = nodes_.at(id);
  if (node.n_children == 0) {
    leaves_.erase({node.last_used, id});
    leaves_.insert({clock_, id});
  }
  node.last_used = clock_;
}

void PrefixCache::drop_root_if_empty(NodeId id) {
  if (nodes_.at(id).n_children > 0) return;
  nodes_.erase(id);
  std::erase_if(roots_, [id](const auto& entry) { return entry.second == id; });
}

std::vector<int32_t> PrefixCache::find(const std::string& name_space, std::span<const int32_t> tokens) {
  std::vector<int32_t> pages;
  const auto start = roots_.find(name_space);
  if (start == roots_.end()) return pages;
  ++clock_;
  NodeId at = start->second;
  for (; tokens.size() >= backend::kPageTokens; tokens = tokens.subspan(backend::kPageTokens)) {
    at = child(at, tokens.first(backend::kPageTokens));
    if (at == 0) break;
    touch(at);
    pages.push_back(nodes_.at(at).page);
  }
  return pages;
}

std::vector<int32_t> PrefixCache::add(const std::string& name_space, std::span<const int32_t> tokens,
                                      std::span<const int32_t> pages) {
  DA_CHECK(tokens.size() == pages.size() * backend::kPageTokens);
  std::vector<int32_t> added;
  if (pages.empty()) return added;
  ++clock_;
  NodeId at = root(name_space);
  for (const int32_t page : pages) {
    const auto page_tokens = tokens.first(backend::kPageTokens);
    tokens = tokens.subspan(backend::kPageTokens);
    if (const NodeId known = child(at, page_tokens); known != 0) {
      at = known;
      touch(at);
      continue;
    }
    Node node{.key = {.parent = at}, .page = page, .last_used = clock_};
    std::copy(page_tokens.begin(), page_tokens.end(), node.key.tokens.begin());
    Node& parent = nodes_.at(at);
    if (parent.page >= 0 && parent.n_children == 0) leaves_.erase({parent.last_used, at});
    ++parent.n_children;
    at = ++last_id_;
    children_.emplace(node.key, at);
    nodes_.emplace(at, node);
    leaves_.insert({clock_, at});
    added.push_back(page);
  }
  return added;
}

int32_t PrefixCache::evict(const std::function<bool(int32_t page)>& may_go) {
  for (auto leaf = leaves_.begin(); leaf != leaves_.end(); ++leaf) {
    const NodeId id = leaf->second;
    const Node node = nodes_.at(id);
    if (!may_go(node.page)) continue;
    leaves_.erase(leaf);
    children_.erase(node.key);
    nodes_.erase(id);
    Node& parent = nodes_.at(node.key.parent);
    --parent.n_children;
    if (parent.page < 0) {
      drop_root_if_empty(node.key.parent);
    } else if (parent.n_children == 0) {
      leaves_.insert({parent.last_used, node.key.parent});
    }
    return node.page;
  }
  return -1;
}

std::vector<int32_t> PrefixCache::pages() const {
  std::vector<int32_t> pages;
  for (const auto& [id, node] : nodes_) {
    if (node.page >= 0) pages.push_back(node.page);
  }
  return pages;
}

}  // namespace da::engine
