#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstdio>

#include "base/memory_limits.h"
#include "cli/commands.h"
#include "cli/local_server.h"
#include "cli/terminal.h"

namespace da::cli {
namespace {

void reread_settings(server::Config& config, LocalServer& server) {
  const Logger& log = server.log();
  const std::string path = server::config_file_path(process_environment());
  if (path.empty()) {
    log.warn("SIGHUP: there is no configuration file to read");
    return;
  }
  const auto read = config.reread_file(path);
  if (!read.is_ok()) {
    log.warn("SIGHUP: the settings stay as they are", {{"reason", read.status().message()}});
    return;
  }
  log.info("SIGHUP: configuration read", {{"file", path}, {"changed", read->changed.size()}});
  for (const auto& one : read->changed) {
    log.info("setting changed", {{"setting", one.name}, {"from", one.from}, {"to", one.to}, {"by", "SIGHUP"}});
  }
  for (const std::string_view name : read->next_time) log.warn("a setting waits for the next start", {{"setting", name}});
  server.apply_settings();
}

// SIGHUP reads the configuration file anew; of a terminal that closes it is the end, as for other programs.
void wait_for_the_end(const sigset_t& signals, server::Config& config, LocalServer& server) {
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal != SIGHUP || isatty(STDERR_FILENO) != 0) return;
    reread_settings(config, server);
  }
}

Status serve_until_signal(const ServeOptions& options) {
  const auto config = std::make_shared<server::Config>();
  DA_RETURN_IF_ERROR(read_config(process_environment(), *config));
  using Source = server::Config::Source;
  if (!options.host.empty()) DA_RETURN_IF_ERROR(config->set(Source::kFlag, "host", options.host));
  if (options.ui_port >= 0) DA_RETURN_IF_ERROR(config->set(Source::kFlag, "ui_port", std::to_string(options.ui_port)));
  if (!options.log_level.empty()) DA_RETURN_IF_ERROR(config->set(Source::kFlag, "log_level", options.log_level));
  if (options.gpu_layers) DA_RETURN_IF_ERROR(config->set(Source::kFlag, "gpu_layers", std::to_string(*options.gpu_layers)));
  DA_ASSIGN_OR_RETURN(const Settings settings, settings_of(*config));
  // For the runners, whatever place the settings are from; no other thread runs yet.
  setenv("DEEPANALYZE_LOG_LEVEL", config->value("log_level").c_str(), 1);
  setenv("DEEPANALYZE_LOG_FORMAT", config->value("log_format").c_str(), 1);
  // Blocked before any thread is made, so that the signals wait for sigwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  DA_ASSIGN_OR_RETURN(const auto server, LocalServer::start(settings, config));
  // Words for people, fields for programs.
  if (settings.log_format == LogFormat::kText) {
    std::fprintf(stderr, "Model API on %s, web page on %s (Ctrl-C ends the server)\n", server->api().url().c_str(), server->ui().url().c_str());
  } else {
    server->log().info("serving", {{"api", server->api().url()}, {"page", server->ui().url()}});
  }
  wait_for_the_end(signals, *config, *server);
  if (settings.log_format == LogFormat::kText) std::fputs("Stopping\n", stderr);
  else server->log().info("stopping");
  // A second signal does not wait for running requests.
  struct sigaction at_once {};
  at_once.sa_handler = [](int) { _exit(130); };
  sigaction(SIGINT, &at_once, nullptr);
  sigaction(SIGTERM, &at_once, nullptr);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  return Status::ok();
}

}  // namespace

int serve(const ServeOptions& options) {
  bound_kept_memory();
  const Status status = serve_until_signal(options);
  return status.is_ok() ? 0 : fail(status);
}

}  // namespace da::cli
