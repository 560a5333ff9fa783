#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "server/router.h"

namespace da::scheduler {
class Scheduler;
}

namespace da::server {

class App;

// What the server counts, for GET /metrics in Prometheus' text format. Thread-safe. Labels are few and bounded: kinds,
// outcomes and names of loaded models, never text of a request.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  enum class Outcome { kOk, kRefused, kFailed, kCancelled, kExpired };
  void request_ended(const char* kind, Outcome outcome);
  void waited_for_model(std::chrono::nanoseconds time);
  void first_token_after(std::chrono::nanoseconds time);
  void token_after(std::chrono::nanoseconds time);
  void tokens_done(int64_t prompt, int64_t cached, int64_t generated);

  // Everything, with what the scheduler and the runners say at this moment.
  std::string text(scheduler::Scheduler& scheduler);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// GET /metrics
void add_metrics_routes(App& app, Router& router);

}  // namespace da::server
