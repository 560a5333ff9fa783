#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace da::test {

struct HttpResponse {
  int status = 0;                              // 0: none came
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// A blocking client on a plain socket: sends exactly the bytes it is told. Every read gives up after ten seconds.
class HttpClient {
 public:
  explicit HttpClient(uint16_t port, int receive_buffer_bytes = 0);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool send(std::string_view bytes);  // false: the server closed
  // Head of the next answer; body() or next_chunk() follow.
  HttpResponse read_head();
  // The whole next answer. `head_only`: to a HEAD request.
  HttpResponse read_response(bool head_only = false);
  // The next chunk of a chunked body; "" at its end or when the connection ended.
  std::string next_chunk();
  // True if the server has closed the connection (reads until it does, ten seconds at most).
  bool closed_by_server();
  void close();
  void half_close();

  // One request with a body (if any) and the answer to it.
  HttpResponse request(std::string_view method, std::string_view target, std::string_view body = "",
                       std::string_view extra_headers = "");
  static std::string request_text(std::string_view method, std::string_view target, std::string_view body = "",
                                  std::string_view extra_headers = "");

 private:
  bool fill();  // reads more; false at the end
  std::string read_line();
  std::string read_bytes(size_t count);

  int fd_ = -1;
  std::string buffer_;
};

}  // namespace da::test
