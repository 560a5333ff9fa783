#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "cli/api_client.h"
#include "scheduler/scheduler.h"

namespace da::cli {

// What the server's environment variables say. A value that cannot be read is an error that names variable, value and
// what was expected: a server must not start with a setting it did not understand.
struct Settings {
  Address api;
  int ui_port = 3000;
  LogLevel log_level = LogLevel::kInfo;
  std::vector<std::string> origins;
  scheduler::Options scheduler;
};

using Environment = std::function<std::optional<std::string>(const char* name)>;
Environment process_environment();
Result<Settings> read_settings(const Environment& environment);
Result<LogLevel> parse_log_level(const std::string& text);

}  // namespace da::cli
