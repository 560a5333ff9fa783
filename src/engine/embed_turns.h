#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/client_shares.h"

namespace da::engine {

// A text that waits for its vector, as far as turns go.
struct EmbedText {
  uint64_t id = 0;
  std::string client;
  int32_t priority = 0;
  int32_t n_tokens = 0, n_done = 0;
  int32_t n_left() const { return n_tokens - n_done; }
};

// Whose text is next: by priority, then of the client that was served least, of one client in order of arrival. And
// how much of the time is theirs where requests of others run beside them. Pure.
class EmbedTurns {
 public:
  // Their steps take half as long as those of others, as prompts may lengthen others' steps by half; see step_plan.h.
  static constexpr double kShareOfOthers = 0.5;

  void add(EmbedText* text);
  void remove(const EmbedText* text);
  bool empty() const { return queues_.empty(); }
  bool is_all_of(const std::string& client) const { return queues_.size() == 1 && queues_.begin()->first == client; }
  template <class Visit>
  void for_each_client(const Visit& visit) const {
    for (const auto& [client, queue] : queues_) visit(client);
  }

  struct Part {
    EmbedText* text;
    int32_t n_rows;
  };
  // A step's texts. `take` gets pages for so many more rows of a text; where it cannot (false) only texts that have
  // begun go on, so that nobody overtakes one that waits for room. `whole`: of texts that are not cut, the first goes
  // even if it is longer than `most_rows`.
  using Take = std::function<bool(EmbedText& text, int32_t n_rows)>;
  std::vector<Part> plan(int32_t most_rows, bool whole, const ClientShares& shares, const Take& take) const;
  // The first in turn is no longer than what its client is behind all others: it goes before their steps.
  bool is_urgent(const ClientShares& shares) const;

  // Time, in steps beside others: texts owe them twice what they took.
  void others_had(double seconds) { debt_seconds_ = std::max(0.0, debt_seconds_ - kShareOfOthers * seconds); }
  void had(double seconds) { debt_seconds_ += seconds; }
  bool is_due() const { return debt_seconds_ <= 0; }

 private:
  using Queue = std::deque<EmbedText*>;  // by priority, then in order of arrival
  struct Place {
    const Queue* queue;
    size_t at;
    int64_t served;
    const EmbedText& text() const { return *(*queue)[at]; }
    bool goes_before(const Place& other) const;
  };

  std::map<std::string, Queue> queues_;  // by client, none empty
  double debt_seconds_ = 0;
};

}  // namespace da::engine
