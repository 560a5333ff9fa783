#include "engine/client_shares.h"

#include <algorithm>

namespace da::engine {

void ClientShares::begin_step() {
  for (auto& [name, entry] : clients_) {
    entry.was_present = entry.is_present;
    entry.is_present = false;
  }
}

void ClientShares::present(const std::string& client) {
  clients_.try_emplace(client, Entry{.served = INT64_MIN}).first->second.is_present = true;
}

void ClientShares::end_of_present() {
  int64_t least = INT64_MAX;
  for (const auto& [name, entry] : clients_) {
    if (entry.is_present && entry.was_present) least = std::min(least, entry.served);
  }
  if (least == INT64_MAX) {  // all are new to each other
    std::erase_if(clients_, [](const auto& item) { return !item.second.is_present; });
    for (auto& [name, entry] : clients_) entry.served = 0;
    return;
  }
  for (auto& [name, entry] : clients_) {
    if (entry.is_present && !entry.was_present) entry.served = std::max(entry.served, least - kNewcomerTokens);
  }
  // Of those that are away: who would come back as a newcomer anyway, and all if they are too many.
  const bool too_many = clients_.size() > kMostKnown;
  std::erase_if(clients_, [&](const auto& item) {
    return !item.second.is_present && (too_many || item.second.served <= least - kNewcomerTokens);
  });
}

int64_t ClientShares::served(const std::string& client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? 0 : found->second.served;
}

std::optional<int64_t> ClientShares::least_of_others(const std::string& client) const {
  std::optional<int64_t> least;
  for (const auto& [name, entry] : clients_) {
    if (entry.is_present && name != client && (!least || entry.served < *least)) least = entry.served;
  }
  return least;
}

void ClientShares::charge(const std::string& client, int64_t tokens) {
  if (const auto found = clients_.find(client); found != clients_.end()) found->second.served += tokens;
}

}  // namespace da::engine
