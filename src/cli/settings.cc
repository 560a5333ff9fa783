#include "cli/settings.h"

#include <charconv>
#include <cstdlib>

#include "server/ollama_common.h"

namespace da::cli {
namespace {

Status bad(const char* name, const std::string& value, const char* expected) {
  return {ErrorCode::kInvalidArgument, std::string(name) + "=\"" + value + "\": expected " + expected};
}

// The variable as a whole number in [low, high], if it is set and not empty.
Status read_number(const Environment& environment, const char* name, int64_t low, int64_t high, const char* expected, auto& target) {
  const auto value = environment(name);
  if (!value || value->empty()) return Status::ok();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size() || number < low || number > high) return bad(name, *value, expected);
  target = static_cast<std::remove_reference_t<decltype(target)>>(number);
  return Status::ok();
}

Status read_keep_alive(const Environment& environment, scheduler::Options& options) {
  const auto value = environment("OLLAMA_KEEP_ALIVE");
  if (!value || value->empty()) return Status::ok();
  // Ollama takes seconds without a unit here.
  const std::string text = value->find_first_not_of("-0123456789.") == std::string::npos ? *value + "s" : *value;
  const auto duration = server::ollama::parse_go_duration(text);
  if (!duration.is_ok()) return bad("OLLAMA_KEEP_ALIVE", *value, "seconds or a duration like 5m, 1h30m, -1");
  options.keep_alive = std::chrono::duration_cast<std::chrono::milliseconds>(*duration);
  return Status::ok();
}

}  // namespace

Environment process_environment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Result<LogLevel> parse_log_level(const std::string& text) {
  for (const auto& [name, level] : {std::pair{"debug", LogLevel::kDebug}, {"info", LogLevel::kInfo}, {"warn", LogLevel::kWarn}, {"error", LogLevel::kError}}) {
    if (text == name) return level;
  }
  return bad("DEEPANALYZE_LOG_LEVEL", text, "debug, info, warn or error");
}

Result<Settings> read_settings(const Environment& environment) {
  Settings settings;
  if (const auto host = environment("OLLAMA_HOST"); host && !host->empty()) {
    DA_ASSIGN_OR_RETURN(settings.api, parse_address(*host));
  }
  DA_RETURN_IF_ERROR(read_number(environment, "DEEPANALYZE_UI_PORT", 0, 65535, "a port from 0 to 65535", settings.ui_port));
  if (const auto level = environment("DEEPANALYZE_LOG_LEVEL"); level && !level->empty()) {
    DA_ASSIGN_OR_RETURN(settings.log_level, parse_log_level(*level));
  } else if (const auto debug = environment("OLLAMA_DEBUG"); debug && !debug->empty() && *debug != "0" && *debug != "false") {
    settings.log_level = LogLevel::kDebug;
  }
  if (const auto origins = environment("OLLAMA_ORIGINS")) {
    for (size_t at = 0; at < origins->size();) {
      const size_t comma = std::min(origins->find(',', at), origins->size());
      if (comma > at) settings.origins.push_back(origins->substr(at, comma - at));
      at = comma + 1;
    }
  }
  DA_RETURN_IF_ERROR(read_keep_alive(environment, settings.scheduler));
  DA_RETURN_IF_ERROR(read_number(environment, "OLLAMA_NUM_PARALLEL", 0, 1024, "a number from 1 to 1024, or 0 for the default", settings.scheduler.n_parallel));
  if (settings.scheduler.n_parallel == 0) settings.scheduler.n_parallel = scheduler::Options{}.n_parallel;
  DA_RETURN_IF_ERROR(read_number(environment, "OLLAMA_MAX_LOADED_MODELS", 0, 1024, "a number from 1 to 1024, or 0 for the default", settings.scheduler.max_loaded_models));
  if (settings.scheduler.max_loaded_models == 0) settings.scheduler.max_loaded_models = scheduler::Options{}.max_loaded_models;
  DA_RETURN_IF_ERROR(read_number(environment, "OLLAMA_MAX_QUEUE", 1, 1 << 20, "a number from 1 to 1048576", settings.scheduler.max_queue));
  DA_RETURN_IF_ERROR(read_number(environment, "OLLAMA_CONTEXT_LENGTH", 0, 1 << 30, "a number of tokens, or 0 for the model's own", settings.scheduler.context_tokens));
  return settings;
}

}  // namespace da::cli
