#include "server/server.h"

#include <atomic>
#include <mutex>

#include "server/analysis_api.h"
#include "server/app.h"
#include "server/static_files.h"
#include "server/transport.h"

namespace da::server {
namespace {

constexpr int kBlockingThreads = 4;

// Built outside the coroutine: GCC 12 destroys a braced temporary inside co_await twice.
Response root_response() { return {200, "text/plain; charset=utf-8", "Ollama is running", {}}; }

Awaitable<void> handle_root(Exchange& exchange) { co_await exchange.send(root_response()); }

EdgeRules edge_rules(const ServerConfig& config, const std::string& address, bool is_ui) {
  EdgeRules rules;
  rules.check_host = is_loopback_address(address);
  rules.host_name = machine_name();
  rules.own_addresses = interface_addresses();
  rules.same_origin_only = is_ui;
  rules.page_headers = is_ui;
  rules.origins = config.origins;
  return rules;
}

}  // namespace

// Members end in reverse order: the transport's sockets before the pool they live in, the pool with its last coroutines
// before what these refer to.
struct Server::Impl {
  Impl(ServerConfig server_config, store::Store& store, scheduler::Scheduler& scheduler)
      : config(std::move(server_config)),
        pool_slot(std::make_unique<IoPool>(config.n_io_threads, kBlockingThreads, config.log)),
        app(config, store, scheduler, *pool_slot),
        analysis(app),
        pool(std::move(pool_slot)) {}
  ~Impl() { stop(); }

  void add_api_routes(Router& router) {
    add_ollama_model_routes(app, router);
    add_ollama_inference_routes(app, router);
    add_ollama_create_routes(app, router);
    analysis.add_routes(router);
  }

  void stop() {
    const std::lock_guard lock(stop_mutex);
    if (std::exchange(stopped, true)) return;
    if (transport) transport->stop(config.drain_grace);
    analysis.stop();
    pool->stop();
  }

  ServerConfig config;
  std::unique_ptr<IoPool> pool_slot;  // only while the members below are made
  App app;
  AnalysisApi analysis;
  Router api_router, ui_router;
  std::mutex stop_mutex;
  bool stopped = false;
  std::unique_ptr<IoPool> pool;
  std::unique_ptr<Transport> transport;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { stop(); }
void Server::stop() { impl_->stop(); }

Ports Server::ports() const {
  const std::vector<uint16_t>& ports = impl_->transport->ports();
  return {ports.front(), ports.size() > 1 ? ports[1] : uint16_t{0}};
}

Result<std::unique_ptr<Server>> Server::start(ServerConfig config, store::Store& store,
                                              scheduler::Scheduler& scheduler) {
  auto impl = std::make_unique<Impl>(std::move(config), store, scheduler);
  impl->api_router.add({.method = "GET", .path = "/", .handler = handle_root});
  impl->add_api_routes(impl->api_router);
  add_metrics_routes(impl->app, impl->api_router);
  add_health_routes(impl->app, impl->api_router);
  if (impl->config.settings) add_admin_routes(impl->app, impl->api_router);
  std::vector<PortConfig> ports{{impl->config.api_address, impl->config.api_port,
                                 edge_rules(impl->config, impl->config.api_address, false), &impl->api_router}};
  if (impl->config.serve_ui) {
    add_static_routes(impl->config, impl->ui_router);
    impl->add_api_routes(impl->ui_router);
    ports.push_back({impl->config.ui_address, impl->config.ui_port,
                     edge_rules(impl->config, impl->config.ui_address, true), &impl->ui_router});
  }
  impl->analysis.start();
  DA_ASSIGN_OR_RETURN(impl->transport, Transport::start(ports, impl->config.limits, *impl->pool, impl->config.log));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

}  // namespace da::server
