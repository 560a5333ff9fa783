#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace da::scheduler {

// Who has had how much: of clients that wait, the one that was served the fewest tokens comes first (virtual token
// counters; Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024). Who comes anew starts level with the
// least served of those present, so that absence earns no credit.
class FairShare {
 public:
  void enter(const std::string& client) {
    int64_t least = INT64_MAX;
    for (const auto& [name, entry] : clients_) {
      if (entry.n_requests > 0) least = std::min(least, entry.tokens);
    }
    if (clients_.size() > kMaxRemembered) std::erase_if(clients_, [](const auto& item) { return item.second.n_requests == 0; });
    Entry& entry = clients_[client];
    if (entry.n_requests++ == 0 && least != INT64_MAX) entry.tokens = std::max(entry.tokens, least);
  }
  void leave(const std::string& client) { --clients_[client].n_requests; }
  void charge(const std::string& client, int64_t tokens) { clients_[client].tokens += tokens; }
  int64_t tokens(const std::string& client) const {
    const auto found = clients_.find(client);
    return found == clients_.end() ? 0 : found->second.tokens;
  }
  int n_requests() const {
    int n = 0;
    for (const auto& [name, entry] : clients_) n += entry.n_requests;
    return n;
  }

 private:
  static constexpr size_t kMaxRemembered = 4096;
  struct Entry {
    int n_requests = 0;   // waiting or served
    int64_t tokens = 0;
  };
  std::unordered_map<std::string, Entry> clients_;
};

}  // namespace da::scheduler
