#include "cli/local_server.h"

#include <sys/resource.h>

#include <cstdlib>

#include "base/version.h"
#include "cli/terminal.h"
#include "cli/ui_files.h"
#include "server/server.h"

namespace da::cli {
namespace {

class Assembled final : public LocalServer {
 public:
  Assembled(const Settings& settings, std::shared_ptr<server::Config> config)
      : settings_(settings),
        config_(std::move(config)),
        log_level_(std::make_shared<std::atomic<LogLevel>>(settings.log_level)),
        log_(stderr_logger(log_level_, settings.log_format)),
        store_(store::Store::default_root(), {{"starter", bundled_model_path()}}),
        scheduler_(scheduler::Scheduler::create(settings.scheduler, log_)) {}

  Status listen() {
    server::ServerConfig config;
    config.api_address = settings_.api.host;
    config.api_port = static_cast<uint16_t>(settings_.api.port);
    config.ui_port = static_cast<uint16_t>(settings_.ui_port);
    config.origins = settings_.origins;
    config.version = kVersion;
    config.log = log_;
    config.settings = config_;
    config.apply_settings = [this] { apply_settings(); };
    for (const UiFile& file : ui_files()) config.static_files.push_back({std::string(file.path), "", file.bytes});
    DA_ASSIGN_OR_RETURN(server_, server::Server::start(std::move(config), store_, *scheduler_));
    return Status::ok();
  }

  Address api() const override { return {.host = settings_.api.host, .port = server_->ports().api}; }
  Address ui() const override { return {.host = "127.0.0.1", .port = server_->ports().ui}; }
  const Logger& log() const override { return log_; }
  void apply_settings() override {
    const auto settings = settings_of(*config_);
    if (!settings.is_ok()) return;   // only of those that cannot change now
    *log_level_ = settings->log_level;
    scheduler_->set_options(settings->scheduler);
  }

 private:
  Settings settings_;
  std::shared_ptr<server::Config> config_;
  std::shared_ptr<std::atomic<LogLevel>> log_level_;
  const Logger log_;
  store::Store store_;
  std::unique_ptr<scheduler::Scheduler> scheduler_;   // outlives the server, ends the runners
  std::unique_ptr<server::Server> server_;
};

}  // namespace

Result<std::unique_ptr<LocalServer>> LocalServer::start(const Settings& settings, std::shared_ptr<server::Config> config) {
  // Text passes through this process too: a crash must not leave a memory image.
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  auto local = std::make_unique<Assembled>(settings, std::move(config));
  DA_RETURN_IF_ERROR(local->listen());
  return std::unique_ptr<LocalServer>(std::move(local));
}

Result<ApiClient> connect_or_start(std::unique_ptr<LocalServer>& local) {
  DA_ASSIGN_OR_RETURN(Address address, address_from_environment());
  ApiClient client(address);
  auto up = client.ping();
  if (up.is_ok() && *up) return client;
  if (address.from_environment) {
    if (!up.is_ok()) return up.status();
    return Status(ErrorCode::kUnavailable, "could not connect to a deepanalyze server at " + address.url() + " (OLLAMA_HOST), run 'deepanalyze serve' to start it");
  }
  // Nothing there, or another program at the usual port: serve this one command ourselves.
  DA_ASSIGN_OR_RETURN(Settings settings, read_settings(process_environment()));
  settings.api = {.host = "127.0.0.1", .port = 0};
  settings.ui_port = 0;
  if (settings.log_level == LogLevel::kInfo) {
    settings.log_level = LogLevel::kWarn;
    setenv("DEEPANALYZE_LOG_LEVEL", "warn", 1);   // for the runner; no other thread runs yet
  }
  DA_ASSIGN_OR_RETURN(local, LocalServer::start(settings));
  return ApiClient(local->api());
}

}  // namespace da::cli
