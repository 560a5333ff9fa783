#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "server/io_pool.h"
#include "server/metrics.h"
#include "server/router.h"
#include "server/server.h"

namespace da::server {

// What the dialects work with.
class App {
 public:
  App(const ServerConfig& config, store::Store& store, scheduler::Scheduler& scheduler, IoPool& pool);

  const ServerConfig& config;
  store::Store& store;
  scheduler::Scheduler& scheduler;
  IoPool& pool;
  Metrics metrics;

  // Whether requests may name files of this machine: on loopback binds only, elsewhere it would let strangers probe the
  // disk.
  bool may_name_files() const;
  // Reads the disk, on a blocking thread. Errors as of Store::resolve.
  Awaitable<Result<store::ModelInfo>> resolve(std::string name);
  // The model of an analysis that names none: configured, else last used, else newest; "starter" only if there is no
  // other. kNotFound if there is none at all.
  Awaitable<Result<store::ModelInfo>> default_model();
  void note_use(const store::ModelInfo& model);
  // The most a request may take, from its arrival to its last token; 0: any time.
  std::chrono::milliseconds request_timeout() const;

 private:
  std::mutex mutex_;
  std::string last_used_;
};

// Handler of a route from a coroutine `f(App&, Exchange&)`.
inline Handler bind_handler(App& app, Awaitable<void> (*function)(App&, Exchange&)) {
  return [&app, function](Exchange& exchange) { return function(app, exchange); };
}

void add_ollama_model_routes(App& app, Router& router);      // version, tags, ps, show, copy, delete
void add_ollama_inference_routes(App& app, Router& router);  // generate, chat; embed as not implemented
void add_ollama_create_routes(App& app, Router& router);     // create, blobs
void add_admin_routes(App& app, Router& router);             // config
// /health (the process answers, and whether GPUs are lost), /ready (it takes requests; while it stops, the transport says 503)
void add_health_routes(App& app, Router& router);

}  // namespace da::server
