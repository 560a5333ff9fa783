#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace da::engine {

// How much of the engine's work each client has had: virtual token counters (Sheng et al., "Fairness in Serving Large
// Language Models", OSDI 2024), here of single steps. Who has had least is first when a step's rows are given out. Who
// comes anew starts a little below the least of those present, so that a short request now and then goes before others'
// long ones; who comes back soon finds its count as it was. Pure.
class ClientShares {
 public:
  static constexpr int64_t kNewcomerTokens = 512;  // that a newcomer is ahead
  static constexpr int64_t kWriteCost = 2;         // of a token that is written; one that is read costs 1

  // Of those whose requests are there at this step. All are forgotten when nobody is.
  void begin_step();
  void present(const std::string& client);
  void end_of_present();

  int64_t served(const std::string& client) const;
  // Of those present but `client`, what the least served had; nullopt: there is nobody else.
  std::optional<int64_t> least_of_others(const std::string& client) const;
  void charge(const std::string& client, int64_t tokens);
  size_t n_known() const { return clients_.size(); }

 private:
  static constexpr size_t kMostKnown = 4096;
  struct Entry {
    int64_t served = 0;
    bool is_present = false, was_present = false;
  };
  std::map<std::string, Entry> clients_;
};

}  // namespace da::engine
