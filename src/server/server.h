#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "scheduler/scheduler.h"
#include "server/config.h"
#include "server/limits.h"
#include "store/store.h"

// HTTP in front of the store and the scheduler: Ollama's API and the analysis API on two ports, the web page on one.
namespace da::server {

struct AnalysisLimits {
  size_t max_tasks = 256;
  uint64_t text_bytes = 256ull << 20;                // of all tasks together
  std::chrono::milliseconds unwatched_time{60'000};  // a task nobody streams for so long is cancelled and forgotten
  std::chrono::milliseconds heartbeat{10'000};       // SSE comments, so that proxies keep the stream
  std::chrono::milliseconds snapshot_interval{50};   // between two "writing" events
};

// A file of the web page. The bytes outlive the server.
struct StaticFile {
  std::string path;          // "/app.js"; "/index.html" is "/" too
  std::string content_type;  // "" : by the path's suffix
  std::string_view bytes;
};

struct ServerConfig {
  std::string api_address = "127.0.0.1";  // an IP address or "localhost"; "" : all interfaces
  uint16_t api_port = 11434;              // 0: a free one
  bool serve_ui = true;
  std::string ui_address = "127.0.0.1";
  uint16_t ui_port = 3000;  // 0: a free one
  std::vector<StaticFile> static_files;
  std::vector<std::string> origins;  // of OLLAMA_ORIGINS, for the API port
  std::string default_model;         // of analyses that name none; "" : the last used, else the newest
  std::string version;
  std::shared_ptr<Config> settings;       // for /api/admin/config; null: no such routes
  std::function<void()> apply_settings;   // after a change
  Logger log;  // an access line for each request: never bodies or query values
  TransportLimits limits;
  AnalysisLimits analysis;
  int n_io_threads = 2;
  // A running request may end for so long when the server stops; then it gets its error and is cancelled.
  std::chrono::milliseconds drain_grace{10'000};
};

struct Ports {
  uint16_t api = 0, ui = 0;  // ui is 0 when it is not served
};

// Thread-safe. The store and the scheduler outlive it.
class Server {
 public:
  // Errors: kUnavailable naming address and port when one cannot be listened on, kInvalidArgument for a bad address.
  static Result<std::unique_ptr<Server>> start(ServerConfig config, store::Store& store,
                                               scheduler::Scheduler& scheduler);
  ~Server();  // stop()

  Ports ports() const;
  // Refuses new work, drains, cancels; blocks until the last connection is closed. Further calls do nothing.
  void stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace da::server
