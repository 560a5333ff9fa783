#pragma once

// Only for connection.cc and transport.cc: brings Asio in.
#include <array>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "server/caller.h"
#include "server/http_parser.h"
#include "server/transport.h"

namespace da::server {

class Connection;

// What the connections of a transport share.
struct ConnectionShared {
  TransportLimits limits;
  IoPool& pool;
  Logger log;
  const std::string salt = make_salt();  // of callers' fingerprints
  std::atomic<bool> draining = false;
  std::atomic<uint64_t> body_bytes = 0;  // held by requests being read or handled

  std::mutex mutex;  // of the two below
  std::unordered_map<Connection*, std::weak_ptr<Connection>> open;
  std::condition_variable closed;  // signalled when `open` shrinks
};

// One client: reads requests and answers them one after the other, all on one strand. A read is always pending (until
// the input buffer is full), so the end of the client is seen while its request runs.
class Connection final : public Exchange, public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;
  Connection(boost::asio::ip::tcp::socket socket, std::shared_ptr<ConnectionShared> shared,
             std::shared_ptr<const PortConfig> port);
  ~Connection() override;
  void start();

  // From any thread.
  void drain();      // closes if idle, else after the running exchange
  void shut_down();  // the running exchange gets Abort::kShutdown
  void close_now();
  int64_t idle_since() const { return idle_since_; }  // steady clock ticks; 0: busy

  // Exchange
  Request& request() override { return request_; }
  boost::asio::any_io_executor executor() override { return strand_; }
  Awaitable<Result<std::string>> read_body() override;
  Awaitable<bool> send(Response response) override;
  Awaitable<bool> start_stream(std::string content_type) override;
  Awaitable<bool> write(std::string chunk) override;
  Awaitable<bool> finish() override;
  const std::string& client() const override { return client_; }
  const std::string& caller() const override { return caller_; }
  bool started() const override { return started_; }
  void on_abort(std::function<void(Abort)> hook) override;

 private:
  enum class Wait { kData, kEnd, kTimeout, kDraining };

  Awaitable<void> run();
  Awaitable<bool> one_exchange();  // false: close
  Awaitable<Wait> read_head(std::optional<HttpError>& error);
  Awaitable<std::optional<Response>> receive_body(const Route& route);
  Awaitable<void> handle(const Route& route);
  Awaitable<void> linger();
  Awaitable<Wait> wait_input(size_t more_than, Clock::time_point deadline);
  Awaitable<bool> write_bytes(std::string_view bytes);
  Clock::time_point body_deadline() const;
  bool reserve_body(uint64_t n_bytes);
  void release_body();
  void read_more();
  void client_gone();
  void signal_abort(Abort reason);
  std::string head_text(int status, std::string_view content_type, const std::vector<Header>& extra,
                        std::optional<uint64_t> length);
  void log_access() const;

  std::shared_ptr<ConnectionShared> shared_;
  std::shared_ptr<const PortConfig> port_;
  boost::asio::any_io_executor strand_;
  boost::asio::ip::tcp::socket socket_;
  std::string client_, caller_;
  boost::asio::steady_timer wake_;  // cancelled when input_ grows or the connection's fate changes
  boost::asio::steady_timer write_timer_;

  std::array<char, 16384> incoming_{};  // the pending read's
  std::string input_;                   // read, not yet parsed
  bool unread_input_ = false;           // there is more to read than was answered
  bool reading_ = false, writing_ = false, ended_ = false, draining_ = false;

  std::optional<HttpParser> parser_;
  Request request_;
  std::vector<Header> edge_headers_;
  std::function<void(Abort)> abort_hook_;
  std::optional<Abort> aborted_;
  bool in_exchange_ = false, started_ = false, chunked_ = false, finished_ = false, keep_alive_ = false;
  int status_ = 0;
  uint64_t body_read_bytes_ = 0, body_reserved_bytes_ = 0, sent_bytes_ = 0;
  Clock::time_point exchange_start_, body_start_;
  std::atomic<int64_t> idle_since_ = 0;
};

}  // namespace da::server
