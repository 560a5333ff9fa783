#include "runner/client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "gguf/parts.h"
#include "runner/frame.h"
#include "runner/outbox.h"
#include "runner/spawn.h"

namespace da::runner {
namespace {

using Json = nlohmann::json;
using Handler = Client::Handler;
using RequestId = Client::RequestId;

constexpr std::chrono::milliseconds kShutdownGrace(2000);
constexpr std::chrono::milliseconds kExitGrace(500);
constexpr const char* kStopped =
    "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check the server "
    "log for details";

Json error_json(RequestId id, ErrorCode code, const std::string& message) {
  return {{"id", id}, {"type", "error"}, {"code", error_code_name(code)}, {"message", message}};
}

// True for the message after which no other comes for its request.
bool is_last(const Json& message) {
  const auto type = message.find("type");
  return type != message.end() && (*type == "ready" || *type == "tokens" || *type == "done" || *type == "error");
}

// What the reader thread and the Client share; the thread keeps it alive.
class Connection {
 public:
  Connection(UniqueFd socket, std::string name, Logger log)
      : socket_(std::move(socket)), name_(std::move(name)), log_(std::move(log)), outbox_(socket_.get()) {}

  RequestId next_id() {
    const std::lock_guard lock(mutex_);
    return ++last_id_;
  }

  void send(RequestId id, const Json& request, Handler handler) {
    std::string payload = request.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (payload.size() > kMaxFrameBytes) {
      handler(error_json(id, ErrorCode::kResourceExhausted, "the request is larger than " + std::to_string(kMaxFrameBytes) + " bytes"));
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      if (alive_) handlers_.emplace(id, handler);
    }
    // Without the lock: a handler may send.
    if (!alive_ || (!outbox_.push(std::move(payload)) && take(id))) handler(error_json(id, ErrorCode::kUnavailable, kStopped));
  }

  void push(const Json& message) { (void)outbox_.push(message.dump()); }

  bool alive() const { return alive_; }
  pid_t pid() const { return pid_; }
  Json stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

  std::vector<GpuSight> lost_gpus() const {
    const std::lock_guard lock(mutex_);
    return lost_gpus_;
  }

  // The reader thread: starts the process, so that its parent-death signal means the end of this thread, and stays with
  // it until it is reaped.
  void run(UniqueFd peer, std::vector<UniqueFd> model_files, int gpu_layers, std::promise<Status>& started) {
    const auto pid = spawn_runner(peer.get(), model_files, gpu_layers);
    peer.reset();
    model_files.clear();
    if (!pid.is_ok()) {
      alive_ = false;
      started.set_value(pid.status());
      return;
    }
    pid_ = *pid;
    started.set_value(Status::ok());
    read_messages();
    fail_all();
    reap();
  }

  // Asks the process to end, and makes it end.
  void end() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;   // before the process can see the message: its end is expected from here on
    }
    push({{"op", "shutdown"}});
    std::unique_lock lock(mutex_);
    if (!ended_.wait_for(lock, kShutdownGrace, [this] { return reaped_; })) {
      if (!reaped_) kill(pid_, SIGKILL);
    }
  }
  void kill_now() {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    if (!reaped_ && pid_ > 0) kill(pid_, SIGKILL);
  }

 private:
  void read_messages() {
    while (true) {
      const auto payload = read_frame(socket_.get());
      if (payload.is_ok() && !payload->has_value()) return;
      Json message;
      bool sound = payload.is_ok();
      if (sound) {
        const auto parsed = parse_payload(**payload);
        sound = parsed.is_ok() && parsed->contains("id") && (*parsed)["id"].is_number_unsigned() && parsed->contains("type");
        if (sound) message = *parsed;
      }
      if (!sound) {
        // A runner that does not keep to the protocol may have been taken over by its model file.
        log_.error("runner broke the protocol", {{"model", name_}, {"pid", pid_.load()}});
        kill_now();
        return;
      }
      deliver(message);
    }
  }

  void deliver(const Json& message) {
    if (message["type"] == "stats") {
      // Numbers only: what a runner says may be anything, and this is shown to others.
      Json stats = Json::object();
      for (const auto& [name, value] : message.items()) {
        if (value.is_number() && stats.size() < 256) stats[name] = value;
      }
      const std::lock_guard lock(mutex_);
      stats_ = std::move(stats);
      return;
    }
    // It can serve nobody any more (a device failed) and ends by itself: the next request goes to another.
    if (message["type"] == "error" && message.value("code", "") == error_code_name(ErrorCode::kUnavailable)) {
      if (const auto lost = message.find("lost_gpus"); lost != message.end()) {
        const std::lock_guard lock(mutex_);
        lost_gpus_ = read_gpu_report({{"gpus", *lost}}).gpus;
      }
      alive_ = false;
    }
    const auto id = message["id"].get<RequestId>();
    Handler handler;
    {
      const std::lock_guard lock(mutex_);
      const auto found = handlers_.find(id);
      if (found == handlers_.end()) return;
      if (is_last(message)) {
        handler = std::move(found->second);
        handlers_.erase(found);
      } else {
        handler = found->second;
      }
    }
    handler(message);
  }

  bool take(RequestId id) {
    const std::lock_guard lock(mutex_);
    return handlers_.erase(id) > 0;
  }

  void fail_all() {
    std::unordered_map<RequestId, Handler> open;
    {
      const std::lock_guard lock(mutex_);
      alive_ = false;
      open.swap(handlers_);
    }
    for (const auto& [id, handler] : open) handler(error_json(id, ErrorCode::kUnavailable, kStopped));
  }

  void reap() {
    int status = 0;
    const auto give_up = std::chrono::steady_clock::now() + kExitGrace;
    pid_t waited = 0;
    while ((waited = waitpid(pid_, &status, WNOHANG)) == 0 && std::chrono::steady_clock::now() < give_up) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    if (waited == 0) {
      kill(pid_, SIGKILL);
      while ((waited = waitpid(pid_, &status, 0)) < 0 && errno == EINTR) {
      }
    }
    bool expected = false;
    {
      const std::lock_guard lock(mutex_);
      reaped_ = true;
      expected = ending_;
    }
    ended_.notify_all();
    // One that says by its status that something was wrong (a device failed) is told of even if it was let go meanwhile.
    if (waited == pid_ && WIFEXITED(status) && WEXITSTATUS(status) != 0) expected = false;
    const std::string how = waited == pid_ ? describe_exit(status) : "unknown";
    log_.log(expected ? LogLevel::kDebug : LogLevel::kError, expected ? "runner ended" : "runner stopped unexpectedly",
             {{"model", name_}, {"pid", pid_.load()}, {"how", how}});
  }

  const UniqueFd socket_;
  const std::string name_;
  const Logger log_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  Json stats_;
  std::vector<GpuSight> lost_gpus_;
  std::unordered_map<RequestId, Handler> handlers_;
  RequestId last_id_ = 0;
  bool ending_ = false, reaped_ = false;
  std::atomic<bool> alive_{true};
  std::atomic<pid_t> pid_{-1};
  Outbox outbox_;   // last: its thread uses socket_
};

class ProcessClient final : public Client {
 public:
  ProcessClient(std::shared_ptr<Connection> connection, std::thread reader)
      : connection_(std::move(connection)), reader_(std::move(reader)) {}

  ~ProcessClient() override {
    // The last reference may be dropped by a handler, on the reader thread, which cannot wait for itself.
    if (reader_.get_id() == std::this_thread::get_id()) {
      connection_->kill_now();
      reader_.detach();
      return;
    }
    connection_->end();
    reader_.join();
  }

  RequestId send(Json request, Handler handler) override {
    const RequestId id = connection_->next_id();
    request["id"] = id;
    connection_->send(id, request, std::move(handler));
    return id;
  }
  void cancel(RequestId id) override { connection_->push({{"op", "cancel"}, {"id", id}}); }
  void tell(Json message) override { connection_->push(message); }
  Json stats() const override { return connection_->stats(); }
  std::vector<GpuSight> lost_gpus() const override { return connection_->lost_gpus(); }
  bool alive() const override { return connection_->alive(); }
  pid_t pid() const override { return connection_->pid(); }

 private:
  std::shared_ptr<Connection> connection_;
  std::thread reader_;
};

Result<UniqueFd> open_model(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file.valid() || fstat(file.get(), &info) != 0) {
    return {errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, "open model " + path + ": " + std::strerror(errno)};
  }
  if (!S_ISREG(info.st_mode)) return {ErrorCode::kInvalidArgument, "open model " + path + ": not a regular file"};
  return file;
}

}  // namespace

Result<std::shared_ptr<Client>> Client::start(const Spec& spec, Logger log, Handler on_load) {
  std::vector<UniqueFd> model_files;
  for (const std::string& path : gguf::part_paths(spec.model_path)) {
    DA_ASSIGN_OR_RETURN(UniqueFd file, open_model(path));
    model_files.push_back(std::move(file));
  }
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return {ErrorCode::kIo, std::string("start runner: socketpair: ") + std::strerror(errno)};
  }
  UniqueFd peer(pair[1]);
  auto connection = std::make_shared<Connection>(UniqueFd(pair[0]), spec.name, std::move(log));
  std::promise<Status> started;
  std::future<Status> outcome = started.get_future();
  const auto gpu_layers = spec.options.find("num_gpu");
  const int n_gpu_layers = gpu_layers != spec.options.end() && gpu_layers->is_number_integer() ? gpu_layers->get<int>() : -1;
  std::thread reader([connection, n_gpu_layers, started = std::move(started), peer = std::move(peer), model_files = std::move(model_files)]() mutable {
    connection->run(std::move(peer), std::move(model_files), n_gpu_layers, started);
  });
  if (const Status status = outcome.get(); !status.is_ok()) {
    reader.join();
    return status;
  }
  auto client = std::make_shared<ProcessClient>(std::move(connection), std::move(reader));
  client->send({{"op", "load"}, {"name", spec.name}, {"options", spec.options}}, std::move(on_load));
  return std::shared_ptr<Client>(std::move(client));
}

}  // namespace da::runner
