#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.h"
#include "server/http.h"
#include "server/json_body.h"

namespace da::server {

class App;

// How soon a request wants its answer.
struct Urgency {
  int priority = 0;   // "high" 1, "normal" 0, "low" -1
  // From the request's arrival to its last token; then it ends with an error. nullopt: any time.
  std::optional<std::chrono::milliseconds> deadline;
};

// The body's `priority` and `deadline` (seconds, or a duration like "30s"), else the head's X-DeepAnalyze-Priority and
// X-DeepAnalyze-Deadline; no later than the server's own limit (request_timeout). kInvalidArgument for other values.
Result<Urgency> read_urgency(const App& app, const Fields& fields, const Request& request);

}  // namespace da::server
