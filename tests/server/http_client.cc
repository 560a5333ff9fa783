#include "server/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace da::test {

HttpClient::HttpClient(uint16_t port, int receive_buffer_bytes) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (receive_buffer_bytes > 0)
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd_);
    throw std::runtime_error("cannot connect to port " + std::to_string(port));
  }
}

HttpClient::~HttpClient() { close(); }

void HttpClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void HttpClient::half_close() { shutdown(fd_, SHUT_WR); }

bool HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool HttpClient::fill() {
  std::array<char, 65536> bytes{};
  const ssize_t n = recv(fd_, bytes.data(), bytes.size(), 0);
  if (n <= 0) return false;
  buffer_.append(bytes.data(), static_cast<size_t>(n));
  return true;
}

std::string HttpClient::read_line() {
  for (;;) {
    const size_t end = buffer_.find("\r\n");
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      return line;
    }
    if (!fill()) return "";
  }
}

std::string HttpClient::read_bytes(size_t count) {
  while (buffer_.size() < count && fill()) {
  }
  std::string bytes = buffer_.substr(0, count);
  buffer_.erase(0, bytes.size());
  return bytes;
}

HttpResponse HttpClient::read_head() {
  HttpResponse response;
  const std::string status_line = read_line();
  if (status_line.size() < 12) return response;
  response.status = std::atoi(status_line.c_str() + 9);
  for (std::string line = read_line(); !line.empty(); line = read_line()) {
    const size_t colon = line.find(": ");
    std::string name = line.substr(0, colon);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    response.headers[name] = colon == std::string::npos ? "" : line.substr(colon + 2);
  }
  return response;
}

std::string HttpClient::next_chunk() {
  const std::string size_line = read_line();
  const size_t size = std::strtoull(size_line.c_str(), nullptr, 16);
  std::string chunk = read_bytes(size);
  read_line();
  return chunk;
}

HttpResponse HttpClient::read_response(bool head_only) {
  HttpResponse response = read_head();
  if (head_only || response.status == 0 || response.status == 204 || response.status == 304) return response;
  if (response.headers.contains("transfer-encoding")) {
    for (std::string chunk = next_chunk(); !chunk.empty(); chunk = next_chunk()) response.body += chunk;
  } else if (response.headers.contains("content-length")) {
    response.body = read_bytes(std::strtoull(response.headers["content-length"].c_str(), nullptr, 10));
  } else {
    while (fill()) {
    }
    response.body = std::exchange(buffer_, "");
  }
  return response;
}

bool HttpClient::closed_by_server() {
  std::array<char, 4096> bytes{};
  for (;;) {
    const ssize_t n = recv(fd_, bytes.data(), bytes.size(), 0);
    if (n == 0) return true;
    if (n < 0) return errno == ECONNRESET || errno == EPIPE;
  }
}

std::string HttpClient::request_text(std::string_view method, std::string_view target, std::string_view body,
                                     std::string_view extra_headers) {
  std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\n";
  if (extra_headers.find("Host:") == std::string_view::npos) text += "Host: localhost\r\n";
  text += extra_headers;
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + std::string(body);
}

HttpResponse HttpClient::request(std::string_view method, std::string_view target, std::string_view body,
                                 std::string_view extra_headers) {
  send(request_text(method, target, body, extra_headers));
  return read_response(method == "HEAD");
}

}  // namespace da::test
