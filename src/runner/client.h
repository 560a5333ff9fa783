#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/log.h"
#include "base/result.h"
#include "runner/gpu_report.h"

namespace da::runner {

struct Spec {
  std::string name;         // for messages and the log
  std::string model_path;   // opened by the parent and handed over as a descriptor
  nlohmann::json options = nlohmann::json::object();   // num_ctx, num_parallel, num_thread
};

// The server's end of one runner process (src/runner/protocol.md). Thread-safe. Destruction ends the process.
class Client {
 public:
  using RequestId = uint64_t;
  // One protocol message. Called on the client's reader thread, in order; must not block. The last one of a request is
  // of type ready, tokens, done or error; if the process dies every open request gets an error of code "unavailable".
  using Handler = std::function<void(const nlohmann::json& message)>;

  // Starts `deepanalyze runner` (this very binary) and sends `load`; `on_load` gets its loading…/ready/error messages.
  static Result<std::shared_ptr<Client>> start(const Spec& spec, Logger log, Handler on_load);
  virtual ~Client() = default;

  virtual RequestId send(nlohmann::json request, Handler handler) = 0;   // sets "id"
  virtual void cancel(RequestId id) = 0;
  // A message without an answer, of protocol.md's hold and configure.
  virtual void tell(nlohmann::json /*message*/) {}
  // The latest stats message (protocol.md); null before the first.
  virtual nlohmann::json stats() const { return nullptr; }
  // GPUs that failed under it, as its last error said (protocol.md's lost_gpus); empty: none.
  virtual std::vector<GpuSight> lost_gpus() const { return {}; }
  virtual bool alive() const = 0;
  virtual pid_t pid() const = 0;
};

// Entry of `deepanalyze runner`: seals itself off (network namespace, seccomp, Landlock, no dumps), then serves the
// socket on descriptor 3 until it closes. Returns the exit status.
int runner_main(int argc, char** argv);

}  // namespace da::runner
