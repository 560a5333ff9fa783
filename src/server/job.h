#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "scheduler/scheduler.h"
#include "server/mailbox.h"
#include "server/metrics.h"
#include "server/urgency.h"

namespace da::server {

// One use of a model, from the queue to the last token, the same for all dialects. Lives on one executor; its end, for
// whatever reason, cancels what still runs and gives the lease back.
class Job {
 public:
  // `kind` is a literal, for the metrics.
  Job(boost::asio::any_io_executor executor, scheduler::Scheduler& scheduler, Metrics& metrics, const char* kind);
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // Asks for the model; events kLoading…, then kLease or kFailed.
  // `caller`: as of Exchange. At the deadline all ends with kExpired.
  void acquire(const store::ModelInfo& model, const std::string& caller, std::optional<std::chrono::milliseconds> keep_alive,
               const Urgency& urgency = {});
  // Valid after kLease.
  scheduler::Lease& lease() { return *lease_; }
  // Sends a request to the leased runner; events kMessage…, the last of type done, tokens or error. If the runner dies
  // before the first text, another is asked for, once.
  void send(nlohmann::json request);
  // That was all that was asked for.
  void loaded_only() { outcome_ = Metrics::Outcome::kOk; }
  // Cancels at once what runs and puts kAborted before all other events. Only on the executor.
  void abort(Abort reason);

  // The next event; nullopt if none came for `timeout`. The lease of a kLease event stays in the job.
  Awaitable<std::optional<Event>> next(std::optional<std::chrono::milliseconds> timeout = std::nullopt);

 private:
  using Clock = std::chrono::steady_clock;
  class Flow;
  void cancel();
  void ask_for_model();
  void run_request();
  bool may_try_again(const nlohmann::json& message) const;
  Event expire();
  void measure(const nlohmann::json& message);

  scheduler::Scheduler& scheduler_;
  Metrics& metrics_;
  const char* kind_;
  store::ModelInfo model_;
  std::string caller_;
  std::optional<std::chrono::milliseconds> keep_alive_;
  nlohmann::json request_;  // until its first text
  bool tried_again_ = false;
  Urgency urgency_;
  std::optional<Clock::time_point> deadline_;
  Metrics::Outcome outcome_ = Metrics::Outcome::kCancelled;
  Clock::time_point asked_, last_text_;
  int64_t n_generated_ = 0;
  std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<Flow> flow_;
  std::unique_ptr<scheduler::Lease> lease_;
  std::optional<scheduler::Scheduler::Ticket> ticket_;
  std::optional<runner::Client::RequestId> running_;
};

}  // namespace da::server
