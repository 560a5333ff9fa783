#include <algorithm>
#include <utility>

#include "engine/engine_impl.h"

namespace da::engine {
namespace {

using Clock = std::chrono::steady_clock;

// A step of texts beside others who write takes no longer than so many of theirs: it reads all weights once more.
constexpr double kStepsOfOthers = 2;

}  // namespace

// One step of texts that want a vector, if it is their turn.
void EngineImpl::embed_step(bool others_run) {
  EmbedTurns& turns = embedding_->turns();
  int32_t n_writing = 0;
  bool has_company = false;  // of other clients
  for (const SequencePtr& sequence : running_) {
    if (sequence->held) continue;
    n_writing += sequence->n_generated() > 0 ? 1 : 0;
    has_company = has_company || !turns.is_all_of(sequence->client);
  }
  if (has_company && !turns.is_due() && !turns.is_urgent(clients_)) return;
  double beside = kStepsOfOthers * budget_.expected_seconds(std::max(n_writing, 1));
  if (budget_.target_seconds() > 0) beside = std::min(beside, budget_.target_seconds());
  const int32_t most_rows = has_company ? budget_.rows(2, std::max(n_writing, 1), beside) : budget_.rows(1, n_writing);
  std::vector<RequestId> ids;
  std::vector<std::string> clients;
  std::vector<int32_t> rows;
  int32_t n_rows = 0;
  for (const EmbedTurns::Part& part : embedding_->plan(most_rows, clients_, others_run)) {
    ids.push_back(part.text->id);
    clients.push_back(part.text->client);
    rows.push_back(part.n_rows);
    n_rows += part.n_rows;
  }
  if (rows.empty()) return;
  begin_forward(n_rows, std::move(ids), clients);
  const Status status = embedding_->compute(&stop_forward_);
  end_forward();
  gave_up_ = status.code() == ErrorCode::kCancelled;
  const auto ns = std::chrono::nanoseconds(Clock::now() - forward_begun_);
  const double seconds = std::chrono::duration<double>(ns).count();
  forward_ns_ += ns.count();
  if (has_company) turns.had(seconds);
  if (status.is_ok()) {
    budget_.observe(n_rows, seconds);
    for (size_t i = 0; i < rows.size(); ++i) clients_.charge(clients[i], rows[i]);
  }
  note_device(status);
  (void)note_step();
}

}  // namespace da::engine
