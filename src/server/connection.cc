#include "server/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <cstring>
#include <typeinfo>

namespace da::server {

namespace asio = boost::asio;
using Error = boost::system::error_code;

namespace {

constexpr size_t kInputLimitBytes = 64 * 1024;
constexpr int kSendBufferBytes = 128 * 1024;
constexpr std::chrono::seconds kLingerTime{2};
constexpr size_t kLingerBytes = 8 << 20;

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, std::shared_ptr<ConnectionShared> shared,
                       std::shared_ptr<const PortConfig> port)
    : shared_(std::move(shared)),
      port_(std::move(port)),
      strand_(socket.get_executor()),
      socket_(std::move(socket)),
      wake_(strand_),
      write_timer_(strand_) {}

Connection::~Connection() { wipe(input_); }

void Connection::start() {
  Error ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  // Left to itself the kernel would take megabytes of an answer that nobody reads.
  socket_.set_option(asio::socket_base::send_buffer_size(kSendBufferBytes), ignored);
  client_ = socket_.remote_endpoint(ignored).address().to_string();
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->open.emplace(this, weak_from_this());
  }
  // The lambda must outlive the coroutine's frame it makes: so it is none, and `run` keeps the connection itself.
  shared_->pool.spawn(strand_, run());
}

Awaitable<void> Connection::run() {
  const std::shared_ptr<Connection> self = shared_from_this();
  std::exception_ptr thrown;
  try {
    while (co_await one_exchange()) {
    }
    if (unread_input_) co_await linger();
  } catch (...) {
    thrown = std::current_exception();
  }
  Error ignored;
  socket_.close(ignored);
  wake_.cancel();
  release_body();
  abort_hook_ = nullptr;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->open.erase(this);
    shared_->closed.notify_all();
  }
  if (thrown) std::rethrow_exception(thrown);
}

void Connection::drain() {
  asio::post(strand_, [self = shared_from_this()] {
    self->draining_ = true;
    self->wake_.cancel();
  });
}

void Connection::shut_down() {
  asio::post(strand_, [self = shared_from_this()] {
    self->draining_ = true;
    self->wake_.cancel();
    if (self->in_exchange_) self->signal_abort(Abort::kShutdown);
  });
}

void Connection::close_now() {
  asio::post(strand_, [self = shared_from_this()] {
    Error ignored;
    self->socket_.close(ignored);
    self->client_gone();
  });
}

// ---- reading ----

void Connection::read_more() {
  if (reading_ || ended_ || input_.size() >= kInputLimitBytes) return;
  reading_ = true;
  socket_.async_read_some(asio::buffer(incoming_), [self = shared_from_this()](Error error, size_t n_bytes) {
    self->reading_ = false;
    self->input_.append(self->incoming_.data(), n_bytes);
    explicit_bzero(self->incoming_.data(), n_bytes);
    if (error) {
      self->client_gone();
    } else if (self->in_exchange_) {
      self->read_more();
    }
    self->wake_.cancel();
  });
}

// The read side has ended. A client that only closed its sending half counts as gone too: it is the one way a browser
// or a killed program shows that nobody waits for the answer.
void Connection::client_gone() {
  ended_ = true;
  wake_.cancel();
  if (in_exchange_) signal_abort(Abort::kDisconnected);
}

void Connection::signal_abort(Abort reason) {
  if (aborted_ == Abort::kDisconnected || aborted_ == reason) return;
  aborted_ = reason;
  if (abort_hook_) {
    const auto hook = abort_hook_;  // it may take itself away
    hook(reason);
  }
}

void Connection::on_abort(std::function<void(Abort)> hook) {
  abort_hook_ = std::move(hook);
  if (abort_hook_ && aborted_) {
    const auto call = abort_hook_;
    call(*aborted_);
  }
}

Awaitable<Connection::Wait> Connection::wait_input(size_t more_than, Clock::time_point deadline) {
  for (;;) {
    if (input_.size() > more_than) co_return Wait::kData;
    if (ended_) co_return Wait::kEnd;
    if (draining_ && !in_exchange_ && input_.empty()) co_return Wait::kDraining;
    if (Clock::now() >= deadline) co_return Wait::kTimeout;
    read_more();
    wake_.expires_at(deadline);
    co_await wake_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

Awaitable<Connection::Wait> Connection::read_head(std::optional<HttpError>& error) {
  parser_.emplace(shared_->limits.parser);
  idle_since_ = Clock::now().time_since_epoch().count();
  Wait wait = co_await wait_input(0, Clock::now() + shared_->limits.idle_timeout);
  if (wait == Wait::kTimeout) co_return Wait::kEnd;  // idle for long: closed without a word
  const Clock::time_point deadline = Clock::now() + shared_->limits.head_timeout;
  while (wait == Wait::kData) {
    input_.erase(0, parser_->put(input_));
    error = parser_->error();
    if (error || parser_->head_done()) co_return Wait::kData;
    wait = co_await wait_input(input_.size(), deadline);
  }
  co_return wait;
}

Connection::Clock::time_point Connection::body_deadline() const {
  return body_start_ + shared_->limits.body_grace +
         std::chrono::milliseconds(1000 * body_read_bytes_ / shared_->limits.body_min_bytes_per_s);
}

Awaitable<Result<std::string>> Connection::read_body() {
  for (;;) {
    std::string piece = parser_->take_body();
    if (!piece.empty()) {
      body_read_bytes_ += piece.size();
      co_return piece;
    }
    if (parser_->body_done()) co_return std::string();
    const size_t used = parser_->put(input_);
    explicit_bzero(input_.data(), used);
    input_.erase(0, used);
    if (parser_->error()) {
      keep_alive_ = false;
      co_return Status(ErrorCode::kInvalidArgument, parser_->error()->message);
    }
    if (used > 0) continue;
    const Wait wait = co_await wait_input(input_.size(), body_deadline());
    if (wait == Wait::kData) continue;
    keep_alive_ = false;
    co_return Status(ErrorCode::kInvalidArgument,
                     wait == Wait::kTimeout ? "the request body comes too slowly" : "the request body ended early");
  }
}

bool Connection::reserve_body(uint64_t n_bytes) {
  if (shared_->body_bytes.fetch_add(n_bytes) + n_bytes > shared_->limits.body_bytes_in_flight) {
    shared_->body_bytes.fetch_sub(n_bytes);
    return false;
  }
  body_reserved_bytes_ += n_bytes;
  return true;
}

void Connection::release_body() {
  shared_->body_bytes.fetch_sub(body_reserved_bytes_);
  body_reserved_bytes_ = 0;
  wipe(request_.body);
}

// Reads the whole body into the request; a refusal, or nullopt if it is there.
Awaitable<std::optional<Response>> Connection::receive_body(const Route& route) {
  const std::string limit_text = "the request body is longer than " + std::to_string(route.body_limit_bytes) + " bytes";
  const uint64_t announced = parser_->content_length().value_or(0);
  if (announced > route.body_limit_bytes) co_return error_response(413, limit_text);
  if (!reserve_body(announced)) co_return error_response(503, "too many large requests at once, try again later");
  request_.body.reserve(announced);
  for (;;) {
    Result<std::string> piece = co_await read_body();
    if (!piece.is_ok()) {
      const bool slow = !parser_->error() && !ended_;
      co_return error_response(slow               ? 408
                               : parser_->error() ? parser_->error()->status
                                                  : 400,
                               piece.status().message());
    }
    if (piece->empty()) co_return std::nullopt;
    if (request_.body.size() + piece->size() > route.body_limit_bytes) co_return error_response(413, limit_text);
    if (parser_->chunked() && !reserve_body(piece->size())) {
      co_return error_response(503, "too many large requests at once, try again later");
    }
    request_.body += *piece;
    wipe(*piece);
  }
}

// ---- one request ----

Awaitable<bool> Connection::one_exchange() {
  request_ = Request{};
  started_ = chunked_ = finished_ = in_exchange_ = keep_alive_ = false;
  aborted_.reset();
  status_ = 0;
  body_read_bytes_ = sent_bytes_ = 0;
  edge_headers_.clear();

  std::optional<HttpError> error;
  const Wait wait = co_await read_head(error);
  idle_since_ = 0;  // until here a newcomer may take the place: a head that never ends must not hold it
  exchange_start_ = body_start_ = Clock::now();
  if (wait == Wait::kEnd || wait == Wait::kDraining) co_return false;
  if (wait == Wait::kTimeout) error = HttpError{408, "the request head comes too slowly"};
  in_exchange_ = true;
  unread_input_ = true;
  if (error) {
    co_await send(error_response(error->status, error->message));
    log_access();
    co_return false;
  }

  request_ = parser_->take_request();
  caller_ = caller_of(request_, client_, shared_->salt);
  keep_alive_ = parser_->keep_alive() && !parser_->http_1_0();
  std::optional<Response> refusal = refuse_at_edge(port_->rules, request_);
  edge_headers_ = edge_headers(port_->rules, refusal ? Request{} : request_);  // no CORS field for a refused origin
  if (!refusal) refusal = answer_preflight(request_);
  if (!refusal && shared_->draining) refusal = error_response(503, "the server is shutting down");
  if (!refusal) {
    const std::string* encoding = request_.header("content-encoding");
    if (encoding && *encoding != "identity")
      refusal = error_response(415, "compressed request bodies are not supported");
  }
  Router::Match match;
  if (!refusal) {
    match = port_->router->find(request_);
    if (!match.route) refusal = std::move(match.refusal);
    request_.path_tail = std::move(match.path_tail);
  }
  if (!refusal && parser_->content_length().value_or(0) > match.route->body_limit_bytes) {
    refusal = error_response(
        413, "the request body is longer than " + std::to_string(match.route->body_limit_bytes) + " bytes");
  }
  if (!refusal && parser_->expects_continue() && !parser_->body_done()) {
    if (!co_await write_bytes("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
  }
  if (!refusal && !match.route->streams_body) refusal = co_await receive_body(*match.route);
  if (refusal) {
    // What is left of a refused body cannot be told from the next request without reading it all.
    if (!parser_->body_done()) keep_alive_ = false;
    co_await send(std::move(*refusal));
  } else {
    read_more();  // watch for the client's end
    co_await handle(*match.route);
  }
  abort_hook_ = nullptr;
  if (!parser_->body_done()) keep_alive_ = false;
  unread_input_ = !parser_->body_done() || !input_.empty();
  release_body();
  in_exchange_ = false;
  log_access();
  co_return keep_alive_&& finished_ && !ended_ && !draining_ && !shared_->draining;
}

Awaitable<void> Connection::handle(const Route& route) {
  bool failed = false;
  try {
    co_await route.handler(*this);
  } catch (const std::exception& error) {
    // By type only: the message may quote the request.
    shared_->log.error("exception in a handler", {{"path", route.path}, {"type", typeid(error).name()}});
    failed = true;
  } catch (...) {
    shared_->log.error("exception in a handler", {{"path", route.path}});
    failed = true;
  }
  if (finished_) co_return;
  keep_alive_ = false;  // a stream cut short must look cut short
  if (!started_ && !ended_) {
    if (!failed) shared_->log.error("handler gave no answer", {{"path", route.path}});
    co_await send(error_response(500, "internal error"));
  }
}

// Closing a socket with unread input makes the kernel reset it, and the client may lose the answer: so the sending half
// ends first and the rest of the input is read away for a moment.
Awaitable<void> Connection::linger() {
  if (ended_ || !socket_.is_open()) co_return;
  Error ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  const Clock::time_point deadline = Clock::now() + kLingerTime;
  size_t dropped_bytes = 0;
  in_exchange_ = true;  // drains no more: this ends by itself
  while (dropped_bytes < kLingerBytes) {
    dropped_bytes += input_.size();
    wipe(input_);
    if (co_await wait_input(0, deadline) != Wait::kData) break;
  }
}

void Connection::log_access() const {
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - exchange_start_).count();
  shared_->log.info("request", {{"method", request_.method},
                                {"path", std::string_view(request_.raw_path).substr(0, 128)},
                                {"status", aborted_ == Abort::kDisconnected && !finished_ ? 499 : status_},
                                {"ms", std::llround(ms)},
                                {"bytes", sent_bytes_}});
}

}  // namespace da::server
