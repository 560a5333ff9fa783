#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "cli/commands.h"
#include "cli/local_server.h"
#include "cli/terminal.h"

namespace da::cli {
namespace {

Status serve_until_signal(const ServeOptions& options) {
  DA_ASSIGN_OR_RETURN(Settings settings, read_settings(process_environment()));
  if (!options.host.empty()) {
    DA_ASSIGN_OR_RETURN(settings.api, parse_address(options.host));
  }
  if (options.ui_port >= 0) settings.ui_port = options.ui_port;
  if (!options.log_level.empty()) {
    DA_ASSIGN_OR_RETURN(settings.log_level, parse_log_level(options.log_level));
  }
  // Blocked before any thread is made, so that the signals wait for sigwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  DA_ASSIGN_OR_RETURN(const auto server, LocalServer::start(settings));
  std::fprintf(stderr, "Model API on %s, web page on %s (Ctrl-C ends the server)\n", server->api().url().c_str(), server->ui().url().c_str());
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  std::fputs("Stopping\n", stderr);
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
  const Status status = serve_until_signal(options);
  return status.is_ok() ? 0 : fail(status);
}

}  // namespace da::cli
