#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

// The plain records between the HTTP transport and the dialects, so that a dialect compiles without Beast.
namespace da::server {

template <class T>
using Awaitable = boost::asio::awaitable<T>;

struct Header {
  std::string name, value;
};

struct Request {
  std::string method;
  std::string raw_path;                                    // as sent, without the query; for the access log
  std::string path;                                        // percent-decoded
  std::string path_tail;                                   // what stood in place of the route's "*"
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  std::vector<Header> headers;
  std::string body;       // "" on routes that stream theirs
  bool has_body = false;  // a body was announced, even if it is streamed or empty

  // Names compare without case. The first value, or nullptr.
  const std::string* header(std::string_view name) const;
  // The first value of a query parameter, or nullptr.
  const std::string* parameter(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type;
  std::string body;
  std::vector<Header> headers;
};

// {"error": message} with that status.
// `retryable`: the same request may succeed if it is sent again; the body says so.
Response error_response(int status, std::string_view message, bool retryable = false);
std::string_view reason_phrase(int status);

// Why a running exchange should end early.
enum class Abort { kDisconnected, kShutdown };

// One request and its answer. All members are used on `executor()` only; handlers run there.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual Request& request() = 0;
  virtual boost::asio::any_io_executor executor() = 0;

  // The next piece (at most 64 KiB) of a streamed body, "" at its end. Errors: kInvalidArgument (malformed, too slow,
  // client gone); the connection is then closed after the answer.
  virtual Awaitable<Result<std::string>> read_body() = 0;

  // An answer in one piece. False if the client is gone, here and below.
  virtual Awaitable<bool> send(Response response) = 0;
  // Or in many: start, write as often as wanted (returns when the socket took the bytes), finish.
  virtual Awaitable<bool> start_stream(std::string content_type) = 0;
  virtual Awaitable<bool> write(std::string chunk) = 0;
  virtual Awaitable<bool> finish() = 0;
  virtual bool started() const = 0;

  // Who asks: the address of the other side, without port.
  virtual const std::string& client() const = 0;
  // The same for shares and isolation: see caller_of().
  virtual const std::string& caller() const = 0;

  // Called at most once for each reason, on `executor()`, perhaps at once; nullptr takes the hook away.
  virtual void on_abort(std::function<void(Abort)> hook) = 0;
};

using Handler = std::function<Awaitable<void>(Exchange&)>;

// Overwrites the bytes before giving them up; for texts of users.
void wipe(std::string& text);

}  // namespace da::server
