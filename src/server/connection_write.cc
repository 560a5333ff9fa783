// What a connection sends; connection.cc has the rest of it.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <ctime>

#include "server/connection.h"

namespace da::server {

namespace asio = boost::asio;
using Error = boost::system::error_code;

namespace {

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text.data();
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

std::string Connection::head_text(int status, std::string_view content_type, const std::vector<Header>& extra,
                                  std::optional<uint64_t> length) {
  if (draining_ || shared_->draining) keep_alive_ = false;
  std::string head = "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason_phrase(status)) + "\r\n";
  const auto field = [&head](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
  };
  field("Server", "deepanalyze");  // how the command line tells us from another server of this API
  field("Date", http_date());
  if (!content_type.empty()) field("Content-Type", content_type);
  bool has_cache_rule = false;
  for (const Header& header : extra) {
    has_cache_rule |= header.name == "Cache-Control";
    field(header.name, header.value);
  }
  if (!has_cache_rule) field("Cache-Control", "no-store");
  for (const Header& header : edge_headers_) field(header.name, header.value);
  if (length) {
    if (may_have_body(status)) field("Content-Length", std::to_string(*length));
  } else if (chunked_) {
    field("Transfer-Encoding", "chunked");
  }
  if (!keep_alive_) field("Connection", "close");
  head += "\r\n";
  return head;
}

Awaitable<bool> Connection::send(Response response) {
  started_ = true;
  status_ = response.status;
  std::string bytes = head_text(response.status, response.content_type, response.headers, response.body.size());
  if (request_.method != "HEAD" && may_have_body(response.status)) bytes += response.body;
  finished_ = co_await write_bytes(bytes);
  wipe(bytes);
  wipe(response.body);
  co_return finished_;
}

Awaitable<bool> Connection::start_stream(std::string content_type) {
  started_ = true;
  status_ = 200;
  chunked_ = !parser_->http_1_0();
  if (!chunked_) keep_alive_ = false;
  const std::string bytes = head_text(200, content_type, {}, std::nullopt);
  co_return co_await write_bytes(bytes);
}

Awaitable<bool> Connection::write(std::string chunk) {
  if (chunk.empty()) co_return !ended_;
  if (request_.method == "HEAD") co_return !ended_;
  std::string bytes;
  bytes.reserve(chunk.size() + 24);
  if (chunked_) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), chunk.size(), 16).ptr;
    bytes.append(digits.data(), end).append("\r\n");
  }
  bytes += chunk;
  if (chunked_) bytes += "\r\n";
  const bool written = co_await write_bytes(bytes);
  wipe(bytes);
  wipe(chunk);
  co_return written;
}

Awaitable<bool> Connection::finish() {
  bool written = !ended_;
  if (chunked_ && request_.method != "HEAD") written = co_await write_bytes("0\r\n\r\n");
  finished_ = written;
  co_return written;
}

Awaitable<bool> Connection::write_bytes(std::string_view bytes) {
  // Piece by piece, so that the time limit is for progress, not for the whole of a long answer.
  constexpr size_t kPieceBytes = 256 * 1024;
  while (!bytes.empty() && socket_.is_open()) {
    const std::string_view piece = bytes.substr(0, kPieceBytes);
    writing_ = true;
    write_timer_.expires_after(shared_->limits.write_timeout);
    write_timer_.async_wait([weak = weak_from_this()](Error error) {
      const auto self = weak.lock();
      if (error || !self || !self->writing_ || self->write_timer_.expiry() > Clock::now()) return;
      Error ignored;
      self->socket_.close(ignored);
      self->client_gone();
    });
    const auto [error, n_bytes] = co_await asio::async_write(socket_, asio::buffer(piece.data(), piece.size()),
                                                             asio::as_tuple(asio::use_awaitable));
    writing_ = false;
    write_timer_.cancel();
    sent_bytes_ += n_bytes;
    if (error) {
      client_gone();
      co_return false;
    }
    bytes.remove_prefix(n_bytes);
  }
  co_return bytes.empty() && socket_.is_open();
}

}  // namespace da::server
