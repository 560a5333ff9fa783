#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/analysis_task.h"
#include "server/app.h"

namespace da::server {

// The analysis dialect: POST /api/analyze, GET /api/stream?task_id=, DELETE /api/analyze/ID. Holds the tasks.
class AnalysisApi {
 public:
  explicit AnalysisApi(App& app);
  ~AnalysisApi();
  void add_routes(Router& router);
  // Begins to forget what nobody watches.
  void start();
  // Cancels every task and lets go of it; before the pool stops.
  void stop();

 private:
  using TaskPointer = std::shared_ptr<AnalysisTask>;  // held by its own run and its stream too
  Awaitable<void> handle_analyze(Exchange& exchange);
  Awaitable<void> handle_stream(Exchange& exchange);
  Awaitable<void> handle_cancel(Exchange& exchange);
  Awaitable<void> follow(Exchange& exchange, TaskPointer task, std::shared_ptr<Mailbox> mailbox);
  Awaitable<void> forget_unwatched(std::shared_ptr<Mailbox> mailbox);
  // The new task, or the refusal.
  Result<TaskPointer> add_task(AnalysisTask::Start start);
  TaskPointer find(const std::string& id);
  void forget(const std::string& id);
  size_t queued_before(uint64_t number);
  void refresh_positions();

  App& app_;
  std::shared_ptr<Mailbox> sweeper_;
  std::mutex mutex_;
  std::map<uint64_t, TaskPointer> tasks_;  // by order of arrival
  uint64_t next_number_ = 1;
  uint64_t text_bytes_ = 0;
  bool stopped_ = false;
};

}  // namespace da::server
