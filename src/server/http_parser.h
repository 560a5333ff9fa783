#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http.h"
#include "server/limits.h"

namespace da::server {

struct HttpError {
  int status = 400;
  std::string message;
};

// One HTTP/1.x request from bytes, piece by piece. Strict where laxness has been abused: no folded fields, no bare line
// feeds, one Host, one length, never both a length and chunks.
class HttpParser {
 public:
  explicit HttpParser(const ParserLimits& limits);
  ~HttpParser();

  // Reads the front of `bytes`; returns how many it used. Stops at the end of the head, later after each piece of the
  // body (then take_body). 0 without an error: more bytes are needed.
  size_t put(std::string_view bytes);
  // The first fault found; the parser is of no use after it.
  const std::optional<HttpError>& error() const;

  bool head_done() const;
  bool body_done() const;
  // Valid once head_done(): method, paths, query, fields.
  Request take_request();
  std::optional<uint64_t> content_length() const;
  bool chunked() const;
  bool keep_alive() const;  // what the client's version and Connection field ask for
  bool http_1_0() const;
  bool expects_continue() const;
  std::string take_body();  // what arrived of the body since the last call

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace da::server
