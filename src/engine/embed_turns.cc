#include "engine/embed_turns.h"

#include <algorithm>
#include <tuple>

namespace da::engine {

void EmbedTurns::add(EmbedText* text) {
  Queue& queue = queues_[text->client];
  const auto place =
      std::upper_bound(queue.begin(), queue.end(), text->priority,
                       [](int32_t priority, const EmbedText* other) { return priority > other->priority; });
  queue.insert(place, text);
}

void EmbedTurns::remove(const EmbedText* text) {
  const auto queue = queues_.find(text->client);
  if (queue == queues_.end()) return;
  // Most often the first of thousands.
  const auto found = std::find(queue->second.begin(), queue->second.end(), text);
  if (found != queue->second.end()) queue->second.erase(found);
  if (queue->second.empty()) queues_.erase(queue);
}

bool EmbedTurns::Place::goes_before(const Place& other) const {
  const EmbedText &one = text(), &two = other.text();
  return std::tuple(-one.priority, served, one.id) < std::tuple(-two.priority, other.served, two.id);
}

std::vector<EmbedTurns::Part> EmbedTurns::plan(int32_t most_rows, bool whole, const ClientShares& shares,
                                               const Take& take) const {
  std::vector<Place> places;
  for (const auto& [client, queue] : queues_) places.push_back({&queue, 0, shares.served(client)});
  std::vector<Part> parts;
  int32_t room = most_rows;
  bool only_begun = false;
  while (room > 0 && !places.empty()) {
    const auto best = std::min_element(places.begin(), places.end(),
                                       [](const Place& one, const Place& other) { return one.goes_before(other); });
    EmbedText& text = *(*best->queue)[best->at];
    const int32_t n_rows = whole ? text.n_left() : std::min(text.n_left(), room);
    if (n_rows > room && !parts.empty()) break;
    if (!only_begun || text.n_done > 0) {
      if (take(text, n_rows)) {
        parts.push_back({&text, n_rows});
        room -= n_rows;
        best->served += n_rows;
      } else {
        only_begun = true;
      }
    }
    if (++best->at == best->queue->size()) places.erase(best);
  }
  return parts;
}

bool EmbedTurns::is_urgent(const ClientShares& shares) const {
  const Place* first = nullptr;
  std::vector<Place> places;
  for (const auto& [client, queue] : queues_) places.push_back({&queue, 0, shares.served(client)});
  for (const Place& place : places) {
    if (first == nullptr || place.goes_before(*first)) first = &place;
  }
  if (first == nullptr) return false;
  const auto least = shares.least_of_others(first->text().client);
  return least && first->text().n_left() <= *least - first->served;
}

}  // namespace da::engine
