#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/stderr_log.h"
#include "base/result.h"
#include "cli/api_client.h"
#include "scheduler/scheduler.h"
#include "server/config.h"

namespace da::cli {

// A server's configuration in the types its parts take.
struct Settings {
  Address api;
  int ui_port = 3000;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  std::vector<std::string> origins;
  scheduler::Options scheduler;
};

using Environment = server::Config::Environment;
Environment process_environment();
// Reads file and environment. A value that cannot be read is an error that names place, value and what was expected: a
// server must not start with a setting it did not understand.
Status read_config(const Environment& environment, server::Config& config);
Result<Settings> settings_of(const server::Config& config);
Result<Settings> read_settings(const Environment& environment);   // both

}  // namespace da::cli
