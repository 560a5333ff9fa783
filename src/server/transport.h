#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "server/edge.h"
#include "server/io_pool.h"
#include "server/limits.h"
#include "server/router.h"

namespace da::server {

struct PortConfig {
  std::string address;
  uint16_t port = 0;  // 0: a free one
  EdgeRules rules;
  const Router* router = nullptr;  // outlives the transport
};

// Listens, reads requests, hands them to the router, writes the answers. Hides Asio and Beast.
class Transport {
 public:
  // Errors: kUnavailable ("cannot listen on 127.0.0.1:11434: address already in use"), kInvalidArgument (bad address).
  static Result<std::unique_ptr<Transport>> start(const std::vector<PortConfig>& ports, const TransportLimits& limits,
                                                  IoPool& pool, Logger log);
  ~Transport();  // stop(0)

  // The ports listened on, in the order given.
  const std::vector<uint16_t>& ports() const;
  // Accepts nothing more, lets running requests end for `grace`, then tells them Abort::kShutdown, waits a little for
  // their last words, and closes what is left. Blocks; not from an io thread.
  void stop(std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit Transport(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace da::server
