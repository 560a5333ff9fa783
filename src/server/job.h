#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "scheduler/scheduler.h"
#include "server/mailbox.h"

namespace da::server {

// One use of a model, from the queue to the last token, the same for all dialects. Lives on one executor; its end, for
// whatever reason, cancels what still runs and gives the lease back.
class Job {
 public:
  Job(boost::asio::any_io_executor executor, scheduler::Scheduler& scheduler);
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // Asks for the model; events kLoading…, then kLease or kFailed.
  void acquire(const store::ModelInfo& model, std::optional<std::chrono::milliseconds> keep_alive);
  // Valid after kLease.
  scheduler::Lease& lease() { return *lease_; }
  // Sends a request to the leased runner; events kMessage…, the last of type done, tokens or error.
  void send(nlohmann::json request);
  // Cancels at once what runs and puts kAborted before all other events. Only on the executor.
  void abort(Abort reason);

  // The next event; nullopt if none came for `timeout`. The lease of a kLease event stays in the job.
  Awaitable<std::optional<Event>> next(std::optional<std::chrono::milliseconds> timeout = std::nullopt);

 private:
  void cancel();

  scheduler::Scheduler& scheduler_;
  std::shared_ptr<Mailbox> mailbox_;
  std::unique_ptr<scheduler::Lease> lease_;
  std::optional<scheduler::Scheduler::Ticket> ticket_;
  std::optional<runner::Client::RequestId> running_;
};

}  // namespace da::server
