#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace da::server {

struct ParserLimits {
  size_t head_bytes = 32 * 1024;  // request line and fields together
  size_t fields = 100;
  size_t target_bytes = 8 * 1024;
};

struct TransportLimits {
  ParserLimits parser;
  size_t max_connections = 1024;                    // the oldest idle one is closed for a newcomer; lowered to the
                                                    // process's limit of descriptors
  uint64_t body_bytes_in_flight = 512ull << 20;     // of all requests together
  std::chrono::milliseconds idle_timeout{120'000};  // between requests of a kept connection
  std::chrono::milliseconds head_timeout{10'000};   // from the first byte of a head to its end
  std::chrono::milliseconds body_grace{30'000};     // a body may take this long …
  uint64_t body_min_bytes_per_s = 16 * 1024;        // … plus its bytes at this rate
  std::chrono::milliseconds write_timeout{30'000};  // a client that takes no byte for so long is gone
};

}  // namespace da::server
