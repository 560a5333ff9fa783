#include "cli/api_client.h"

#include <curl/curl.h>
#include <signal.h>

#include <charconv>
#include <csignal>
#include <cstdlib>

namespace da::cli {
namespace {

volatile std::sig_atomic_t interrupt_count = 0;

// The longest line we take from a server; Ollama's clients use 8 MB.
constexpr size_t kMaxLineBytes = 64U << 20;

}  // namespace

bool interrupted() { return interrupt_count > 0; }
void clear_interrupt() { interrupt_count = 0; }
void catch_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) {
    interrupt_count = interrupt_count + 1;
    if (interrupt_count > 1) _exit(130);
  };
  sigaction(SIGINT, &action, nullptr);
}

Result<Address> parse_address(std::string_view text) {
  Address address;
  const std::string original(text);
  const auto bad = [&] {
    return Status(ErrorCode::kInvalidArgument, "OLLAMA_HOST \"" + original + "\": expected host, host:port or http://host:port");
  };
  if (text.starts_with("https://")) return Status(ErrorCode::kUnsupported, "OLLAMA_HOST \"" + original + "\": https is not supported");
  if (text.starts_with("http://")) {
    text.remove_prefix(7);
    address.port = 80;
  }
  while (text.ends_with('/')) text.remove_suffix(1);
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return bad();
    address.host = text.substr(1, close - 1);
    if (close + 1 < text.size()) {
      if (text[close + 1] != ':') return bad();
      port = text.substr(close + 2);
      if (port.empty()) return bad();
    }
  } else if (const size_t colon = text.rfind(':'); colon != std::string_view::npos && text.find(':') == colon) {
    address.host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) return bad();
  } else {
    address.host = text;
  }
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc() || end != port.data() + port.size() || address.port < 0 || address.port > 65535) return bad();
  }
  if (address.host.find_first_of("/ \t\n@") != std::string::npos) return bad();
  if (address.host.empty()) address.host = "127.0.0.1";
  return address;
}

Result<Address> address_from_environment() {
  const char* text = std::getenv("OLLAMA_HOST");
  if (text == nullptr || *text == '\0') return Address{};
  DA_ASSIGN_OR_RETURN(Address address, parse_address(text));
  if (address.host == "0.0.0.0") address.host = "127.0.0.1";
  if (address.host == "::") address.host = "::1";
  address.from_environment = true;
  return address;
}

struct ApiClient::Transfer {
  OnLine on_line;           // empty: collect the body
  std::string body, line;
  bool ours = false;        // the Server header names us
  bool stopped = false;     // on_line had enough
  long status = 0;
  CURL* curl = nullptr;

  size_t take(std::string_view data) {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (!on_line || status >= 400) {
      if (body.size() + data.size() > kMaxLineBytes) return 0;
      body.append(data);
      return data.size();
    }
    const size_t taken = data.size();
    while (!data.empty()) {
      const size_t end = data.find('\n');
      if (line.size() + std::min(end, data.size()) > kMaxLineBytes) return 0;
      line.append(data.substr(0, end));
      if (end == std::string_view::npos) break;
      data.remove_prefix(end + 1);
      if (line.ends_with('\r')) line.pop_back();
      if (!on_line(line)) {
        stopped = true;
        return 0;
      }
      line.clear();
    }
    return taken;
  }
};

ApiClient::ApiClient(Address address) : address_(std::move(address)) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  curl_ = curl_easy_init();
}
ApiClient::ApiClient(ApiClient&& other) noexcept : address_(std::move(other.address_)), curl_(std::exchange(other.curl_, nullptr)) {}
ApiClient::~ApiClient() {
  if (curl_ != nullptr) curl_easy_cleanup(curl_);
}

Status ApiClient::perform(const std::string& method, const std::string& path, const nlohmann::ordered_json& body, Transfer& transfer) {
  CURL* curl = static_cast<CURL*>(curl_);
  curl_easy_reset(curl);
  transfer.curl = curl;
  const std::string url = address_.url() + path;
  const std::string payload = body.is_null() ? std::string() : body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROXY, "");  // a local server is never reached through a proxy
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
  if (method == "HEAD") curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  curl_slist* headers = nullptr;
  if (!body.is_null()) {
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, payload.c_str());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(payload.size()));
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_write_callback on_body = [](char* data, size_t size, size_t count, void* self) {
    return static_cast<Transfer*>(self)->take({data, size * count});
  };
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_write_callback on_header = [](char* data, size_t size, size_t count, void* self) {
    const std::string_view header(data, size * count);
    if (header.starts_with("Server: deepanalyze")) static_cast<Transfer*>(self)->ours = true;
    return size * count;
  };
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_xferinfo_callback on_tick = [](void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) { return interrupted() ? 1 : 0; };
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_tick);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.status);
  curl_slist_free_all(headers);
  if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && transfer.stopped)) return Status::ok();
  if (code == CURLE_ABORTED_BY_CALLBACK) return {ErrorCode::kCancelled, "interrupted"};
  if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST) {
    return {ErrorCode::kUnavailable, "could not connect to a deepanalyze server at " + address_.url() + ", run 'deepanalyze serve' to start it"};
  }
  return {ErrorCode::kUnavailable, "request to " + address_.url() + path.substr(0, path.find('?')) + " failed: " + curl_easy_strerror(code)};
}

namespace {

// The server's own words for a failed request.
Status error_of(long status, const std::string& body) {
  const auto json = nlohmann::ordered_json::parse(body, nullptr, false);
  std::string message = json.is_object() && json.contains("error") && json["error"].is_string()
                            ? json["error"].get<std::string>()
                            : "server answered with status " + std::to_string(status);
  return {status == 404 ? ErrorCode::kNotFound : status < 500 ? ErrorCode::kInvalidArgument : ErrorCode::kUnavailable, std::move(message)};
}

}  // namespace

Result<bool> ApiClient::ping() {
  Transfer transfer;
  const Status status = perform("HEAD", "/", nullptr, transfer);
  if (!status.is_ok()) {
    if (status.message().starts_with("could not connect")) return false;
    return status;
  }
  if (!transfer.ours) return Status(ErrorCode::kUnavailable, "what answers at " + address_.url() + " is not a deepanalyze server (another Ollama?); set OLLAMA_HOST or stop it");
  return true;
}

Result<nlohmann::ordered_json> ApiClient::call(const std::string& method, const std::string& path, const nlohmann::ordered_json& body) {
  Transfer transfer;
  DA_RETURN_IF_ERROR(perform(method, path, body, transfer));
  if (transfer.status >= 400) return error_of(transfer.status, transfer.body);
  if (transfer.body.empty()) return nlohmann::ordered_json();
  auto json = nlohmann::ordered_json::parse(transfer.body, nullptr, false);
  if (json.is_discarded()) return Status(ErrorCode::kUnavailable, method + " " + path + ": the answer is not JSON");
  return json;
}

Status ApiClient::stream(const std::string& method, const std::string& path, const nlohmann::ordered_json& body, const OnLine& on_line) {
  Transfer transfer;
  Status stream_error;
  transfer.on_line = [&](std::string_view line) {
    if (line.starts_with("{\"error\":")) {
      stream_error = error_of(500, std::string(line));
      return false;
    }
    return on_line(line);
  };
  DA_RETURN_IF_ERROR(perform(method, path, body, transfer));
  if (transfer.status >= 400) return error_of(transfer.status, transfer.body);
  // A last line without a newline counts too (non-streamed answers).
  if (!transfer.stopped && !transfer.line.empty() && !transfer.on_line(transfer.line)) return stream_error;
  return stream_error;
}

}  // namespace da::cli
