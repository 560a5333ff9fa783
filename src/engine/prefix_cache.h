#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backend/backend.h"

namespace da::engine {

// Which KV pages hold which tokens, so that requests with an equal beginning share them. A tree: a node is a full page,
// its place is the exact tokens of the page and of all pages before it. Each namespace has a root of its own: what one
// caller sent is never found, not even by its timing, by another (CVE-2025-46570). Counts no references; see KvPages.
class PrefixCache {
 public:
  // Pages of the longest known beginning of `tokens`, whole pages only.
  std::vector<int32_t> find(const std::string& name_space, std::span<const int32_t> tokens);
  // Makes `pages` [tokens.size() / kPageTokens] known; returns those that are new here. Where other pages hold the same
  // tokens already, those stay.
  std::vector<int32_t> add(const std::string& name_space, std::span<const int32_t> tokens,
                           std::span<const int32_t> pages);
  // Forgets the page used longest ago that none depends on and that `may_go`; -1: there is none.
  int32_t evict(const std::function<bool(int32_t page)>& may_go);

  size_t n_pages() const { return nodes_.size() - roots_.size(); }
  std::vector<int32_t> pages() const;

 private:
  using NodeId = uint64_t;
  using PageTokens = std::array<int32_t, backend::kPageTokens>;
  struct Key {
    NodeId parent = 0;
    PageTokens tokens{};
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  struct Node {
    Key key;            // of roots: not used
    int32_t page = -1;  // -1: a root
    int32_t n_children = 0;
    uint64_t last_used = 0;
  };

  NodeId root(const std::string& name_space);
  NodeId child(NodeId parent, std::span<const int32_t> page_tokens) const;  // 0: none
  void touch(NodeId id);
  void drop_root_if_empty(NodeId id);

  std::unordered_map<NodeId, Node> nodes_;
  std::unordered_map<Key, NodeId, KeyHash> children_;
  std::unordered_map<std::string, NodeId> roots_;
  std::set<std::pair<uint64_t, NodeId>> leaves_;  // by last use
  NodeId last_id_ = 0;
  uint64_t clock_ = 0;
};

}  // namespace da::engine
