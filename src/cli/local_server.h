#pragma once

#include <memory>

#include "base/log.h"
#include "base/result.h"
#include "cli/api_client.h"
#include "cli/settings.h"

namespace da::cli {

// Store, scheduler and server put together in this process. Ports 0 are free ones.
class LocalServer {
 public:
  // With `config` the server's settings can be seen and changed while it runs.
  static Result<std::unique_ptr<LocalServer>> start(const Settings& settings, std::shared_ptr<server::Config> config = nullptr);
  virtual ~LocalServer() = default;      // stops serving, ends the runners
  virtual Address api() const = 0;
  virtual Address ui() const = 0;
  virtual const Logger& log() const = 0;
  virtual void apply_settings() = 0;     // what changed in `config` and may change now; thread-safe
};

// The running server; if none listens and OLLAMA_HOST is not set, a private one on free loopback ports that lives as
// long as `local`.
Result<ApiClient> connect_or_start(std::unique_ptr<LocalServer>& local);

}  // namespace da::cli
