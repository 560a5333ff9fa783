#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/api_client.h"

namespace da::cli {

struct LocalServerOptions {
  Address api;               // port 0: a free one
  int ui_port = 3000;        // 0: a free one
  std::string log_level = "info";
};

// Store, scheduler and server put together in this process.
class LocalServer {
 public:
  static Result<std::unique_ptr<LocalServer>> start(const LocalServerOptions& options);
  virtual ~LocalServer() = default;      // stops serving, ends the runners
  virtual Address api() const = 0;
  virtual Address ui() const = 0;
};

// The running server; if none listens and OLLAMA_HOST is not set, a private one on free loopback ports that lives as
// long as `local`.
Result<ApiClient> connect_or_start(std::unique_ptr<LocalServer>& local);

}  // namespace da::cli
