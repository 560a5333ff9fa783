#include "server/transport.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>

#include "server/connection.h"

namespace da::server {

namespace asio = boost::asio;
using asio::ip::tcp;
using Error = boost::system::error_code;

namespace {

constexpr std::chrono::seconds kLastWordsTime{5};
constexpr std::chrono::milliseconds kAcceptPause{50};

// Connections must leave descriptors for models, runners and the log.
size_t connection_cap(size_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return wanted;
  const size_t spare = limit.rlim_cur > 256 ? limit.rlim_cur - 128 : std::max<size_t>(limit.rlim_cur / 2, 8);
  return std::min(wanted, spare);
}

std::string endpoint_text(const std::string& address, uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

Result<tcp::acceptor> listen_on(asio::io_context& context, const PortConfig& config) {
  Error error;
  const std::string numeric = config.address == "localhost" ? "127.0.0.1"
                              : config.address.empty()      ? "0.0.0.0"
                                                            : config.address;
  const auto address = asio::ip::make_address(numeric, error);
  if (error) {
    return {ErrorCode::kInvalidArgument, "cannot listen on '" + config.address + "': not an IP address"};
  }
  tcp::acceptor acceptor(asio::make_strand(context));
  const tcp::endpoint endpoint(address, config.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return {ErrorCode::kUnavailable,
            "cannot listen on " + endpoint_text(config.address, config.port) + ": " + error.message()};
  }
  return acceptor;
}

}  // namespace

struct Transport::Impl {
  // Shared with its accept loop, which may end after the transport.
  struct Port {
    std::shared_ptr<const PortConfig> config;
    tcp::acceptor acceptor;
    asio::steady_timer pause;
  };
  std::shared_ptr<ConnectionShared> shared;
  std::vector<std::shared_ptr<Port>> listening;
  std::vector<uint16_t> ports;
  bool stopped = false;

  std::vector<std::shared_ptr<Connection>> connections();
  bool wait_until_empty(std::chrono::milliseconds time);
};

namespace {

// Makes room for one more connection. False: all are busy.
bool make_room(ConnectionShared& shared) {
  std::shared_ptr<Connection> oldest;
  {
    const std::lock_guard lock(shared.mutex);
    if (shared.open.size() < shared.limits.max_connections) return true;
    for (const auto& [key, weak] : shared.open) {
      auto connection = weak.lock();
      if (!connection || connection->idle_since() == 0) continue;
      if (!oldest || connection->idle_since() < oldest->idle_since()) oldest = std::move(connection);
    }
  }
  if (!oldest) return false;
  oldest->close_now();
  return true;
}

template <class Port>
Awaitable<void> accept_loop(std::shared_ptr<Port> port, std::shared_ptr<ConnectionShared> shared) {
  while (port->acceptor.is_open()) {
    auto [error, socket] = co_await port->acceptor.async_accept(asio::make_strand(shared->pool.context()),
                                                                asio::as_tuple(asio::use_awaitable));
    if (error == asio::error::operation_aborted || !port->acceptor.is_open()) co_return;
    if (error) {
      // Out of descriptors or a client that left at once: the listener itself is sound.
      shared->log.warn("accept failed", {{"reason", error.message()}});
      port->pause.expires_after(kAcceptPause);
      co_await port->pause.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    if (!make_room(*shared)) {
      shared->log.warn("connection refused", {{"limit", shared->limits.max_connections}});
      continue;  // the socket closes here
    }
    const auto connection = std::make_shared<Connection>(std::move(socket), shared, port->config);
    connection->start();
  }
}

}  // namespace

std::vector<std::shared_ptr<Connection>> Transport::Impl::connections() {
  std::vector<std::shared_ptr<Connection>> result;
  const std::lock_guard lock(shared->mutex);
  for (const auto& [key, weak] : shared->open) {
    if (auto connection = weak.lock()) result.push_back(std::move(connection));
  }
  return result;
}

bool Transport::Impl::wait_until_empty(std::chrono::milliseconds time) {
  std::unique_lock lock(shared->mutex);
  return shared->closed.wait_for(lock, time, [this] { return shared->open.empty(); });
}

Transport::Transport(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Transport::~Transport() { stop(std::chrono::milliseconds(0)); }
const std::vector<uint16_t>& Transport::ports() const { return impl_->ports; }

Result<std::unique_ptr<Transport>> Transport::start(const std::vector<PortConfig>& ports, const TransportLimits& limits,
                                                    IoPool& pool, Logger log) {
  auto impl = std::make_unique<Impl>();
  impl->shared.reset(new ConnectionShared{.limits = limits, .pool = pool, .log = std::move(log)});
  impl->shared->limits.max_connections = connection_cap(limits.max_connections);
  for (const PortConfig& config : ports) {
    DA_ASSIGN_OR_RETURN(tcp::acceptor acceptor, listen_on(pool.context(), config));
    impl->ports.push_back(acceptor.local_endpoint().port());
    asio::steady_timer pause(acceptor.get_executor());
    impl->listening.push_back(std::shared_ptr<Impl::Port>(
        new Impl::Port{std::make_shared<PortConfig>(config), std::move(acceptor), std::move(pause)}));
  }
  for (const auto& port : impl->listening) pool.spawn(port->acceptor.get_executor(), accept_loop(port, impl->shared));
  return std::unique_ptr<Transport>(new Transport(std::move(impl)));
}

void Transport::stop(std::chrono::milliseconds grace) {
  if (impl_->stopped) return;
  impl_->stopped = true;
  impl_->shared->draining = true;
  std::vector<std::future<void>> closings;
  for (const auto& port : impl_->listening) {
    const auto closed = std::make_shared<std::promise<void>>();
    closings.push_back(closed->get_future());
    asio::post(port->acceptor.get_executor(), [port, closed] {
      Error ignored;
      port->acceptor.close(ignored);
      port->pause.cancel();
      closed->set_value();
    });
  }
  // Nobody may connect any more once stop has returned, however soon the pool ends after it.
  for (std::future<void>& closing : closings) closing.wait_for(kLastWordsTime);
  for (const auto& connection : impl_->connections()) connection->drain();
  if (!impl_->wait_until_empty(grace)) {
    for (const auto& connection : impl_->connections()) connection->shut_down();
    if (!impl_->wait_until_empty(kLastWordsTime)) {
      for (const auto& connection : impl_->connections()) connection->close_now();
      impl_->wait_until_empty(kLastWordsTime);
    }
  }
}

}  // namespace da::server
