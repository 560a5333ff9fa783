#include "cli/settings.h"

#include <array>
#include <cstdlib>

#include "server/ollama_common.h"

namespace da::cli {
namespace {

LogLevel level_of(const std::string& text) {
  if (text == "debug") return LogLevel::kDebug;
  if (text == "warn") return LogLevel::kWarn;
  if (text == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

// 0 stands for the default.
int or_default(int64_t number, int fallback) { return number == 0 ? fallback : static_cast<int>(number); }

}  // namespace

Environment process_environment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Status read_config(const Environment& environment, server::Config& config) {
  if (const std::string path = server::config_file_path(environment); !path.empty()) {
    DA_RETURN_IF_ERROR(config.read_file(path));
  }
  return config.read_environment(environment);
}

Result<Settings> settings_of(const server::Config& config) {
  Settings settings;
  if (const std::string host = config.value("host"); !host.empty()) {
    DA_ASSIGN_OR_RETURN(settings.api, parse_address(host));
  }
  settings.ui_port = static_cast<int>(config.number("ui_port"));
  settings.log_level = level_of(config.value("log_level"));
  settings.log_format = log_format_of(config.value("log_format"));
  const std::string origins = config.value("origins");
  for (size_t at = 0; at < origins.size();) {
    const size_t comma = std::min(origins.find(',', at), origins.size());
    if (comma > at) settings.origins.push_back(origins.substr(at, comma - at));
    at = comma + 1;
  }
  const scheduler::Options defaults;
  scheduler::Options& options = settings.scheduler;
  DA_ASSIGN_OR_RETURN(const auto keep_alive, server::ollama::parse_go_duration(config.value("keep_alive")));
  options.keep_alive = std::chrono::duration_cast<std::chrono::milliseconds>(keep_alive);
  options.n_parallel = static_cast<int>(config.number("parallel"));
  options.latency_target = std::chrono::milliseconds(config.number("latency_target"));
  options.max_loaded_models = or_default(config.number("max_loaded_models"), defaults.max_loaded_models);
  options.max_queue = static_cast<int>(config.number("max_queue"));
  options.log_level = config.value("log_level");
  options.context_tokens = config.number("context_length");
  options.gpu_layers = static_cast<int>(config.number("gpu_layers"));
  const std::string gpu_loss = config.value("gpu_loss");
  options.gpu_loss = gpu_loss == "cpu" ? scheduler::GpuLoss::kCpu : gpu_loss == "refuse" ? scheduler::GpuLoss::kRefuse : scheduler::GpuLoss::kOthers;
  options.kv_cache_type = config.value("kv_cache_type");
  return settings;
}

Result<Settings> read_settings(const Environment& environment) {
  server::Config config;
  DA_RETURN_IF_ERROR(read_config(environment, config));
  return settings_of(config);
}

}  // namespace da::cli
