#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace da::cli {

// Where the API is: OLLAMA_HOST ("host", "host:port", "http://host:port"), default 127.0.0.1:11434. A server bound to
// 0.0.0.0 is reached on 127.0.0.1.
struct Address {
  std::string host = "127.0.0.1";
  int port = 11434;
  bool from_environment = false;
  std::string url() const { return "http://" + (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port); }
};
Result<Address> parse_address(std::string_view text);
Result<Address> address_from_environment();

// The public HTTP API, as every other client uses it. Not thread-safe.
class ApiClient {
 public:
  explicit ApiClient(Address address);
  ~ApiClient();
  ApiClient(ApiClient&&) noexcept;

  // True if a deepanalyze server answers; false if nothing listens there. Errors: kUnavailable (something else answers).
  Result<bool> ping();
  // JSON in, JSON out. The server's {"error": …} becomes the Status's message.
  Result<nlohmann::ordered_json> call(const std::string& method, const std::string& path, const nlohmann::ordered_json& body = nullptr);
  // Calls `on_line` for every line of the answer (NDJSON or SSE); returning false ends the request. A line with "error"
  // of an NDJSON stream ends it with that error. Ctrl-C (see `interrupted`) ends it with kCancelled.
  using OnLine = std::function<bool(std::string_view line)>;
  Status stream(const std::string& method, const std::string& path, const nlohmann::ordered_json& body, const OnLine& on_line);
  const Address& address() const { return address_; }

 private:
  struct Transfer;
  Status perform(const std::string& method, const std::string& path, const nlohmann::ordered_json& body, Transfer& transfer);
  Address address_;
  void* curl_ = nullptr;
};

// Set by SIGINT once `catch_interrupt` was called; the second SIGINT ends the process.
bool interrupted();
void catch_interrupt();
void clear_interrupt();

}  // namespace da::cli
