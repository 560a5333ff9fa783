#include "runner/serve.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/cpu_limits.h"
#include "base/cpu_topology.h"
#include "base/memory_limits.h"
#include "base/stderr_log.h"
#include "placement/gpus.h"
#include "runner/desk.h"
#include "runner/frame.h"
#include "runner/gpu_report.h"
#include "runner/outbox.h"
#include "runner/sandbox.h"

namespace da::runner {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kSocket = 3;
constexpr int kModelFile = 4;
constexpr int kDeviceLost = 3;   // exit status

LogLevel level_of(std::string_view level) {
  if (level == "debug") return LogLevel::kDebug;
  if (level == "warn") return LogLevel::kWarn;
  if (level == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

// The number after a flag such as "--parent=".
int number_of(std::string_view flag, int fallback, int argc, char** argv) {
  int number = fallback;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with(flag)) continue;
    std::from_chars(argument.data() + flag.size(), argument.data() + argument.size(), number);
  }
  return number;
}

bool peer_is_gone() {
  pollfd poll_socket{kSocket, POLLRDHUP, 0};
  return poll(&poll_socket, 1, 0) > 0 && (poll_socket.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

int64_t step_deadline_ms() {
  const char* text = std::getenv("DEEPANALYZE_GPU_DEADLINE_MS");
  int64_t deadline_ms = 0;
  if (text != nullptr) std::from_chars(text, text + std::string_view(text).size(), deadline_ms);
  return deadline_ms;
}

// What is opened before the process is sealed: driver and plugin, unless no layer is to run on a GPU.
class GpuOpening {
 public:
  GpuOpening(int gpu_layers, int n_threads) : search_(backend::GpuPluginSearch::from_environment()) {
    if (gpu_layers == 0) return;
    gpus_.emplace();
    const std::string plugin = search_.found();
    if (plugin.empty()) {
      *gpus_ = placement::open_gpus(search_, {});   // says why there are none
      return;
    }
    access_.emplace(gpu_access(plugin));
    access_->open = [this, n_threads] {
      // Kernels are loaded now: later no library can be mapped. Nothing compiled for a GPU is kept on disk.
      setenv("CUDA_MODULE_LOADING", "EAGER", 0);
      setenv("CUDA_CACHE_DISABLE", "1", 1);
      *gpus_ = placement::open_gpus(search_, {.n_threads = std::min(n_threads, 8),
                                              .step_deadline_ms = step_deadline_ms()});
      return !gpus_->open.empty();
    };
  }
  const DeviceAccess* access() const { return access_ ? &*access_ : nullptr; }
  placement::Gpus* gpus() { return gpus_ ? &*gpus_ : nullptr; }
  void log_findings(const Logger& log) const {
    if (!gpus_) return;
    for (const placement::OpenGpu& open : gpus_->open) {
      const device::Gpu& gpu = open.gpu;
      log.info("GPU", {{"index", gpu.index}, {"name", gpu.name}, {"uuid", gpu.uuid}, {"free_bytes", gpu.memory_free_bytes}});
    }
    for (const placement::UnusableGpu& unusable : gpus_->unusable) {
      const device::Gpu& gpu = unusable.gpu;
      log.warn("GPU not used", {{"index", gpu.index}, {"name", gpu.name}, {"uuid", gpu.uuid}, {"reason", unusable.why.message()}});
    }
    if (gpus_->open.empty()) log.info("the model runs on the CPU", {{"reason", gpus_->none}});
  }

 private:
  backend::GpuPluginSearch search_;
  std::optional<placement::Gpus> gpus_;
  std::optional<DeviceAccess> access_;
};

Json sandbox_json(const Sandbox& sandbox) {
  return {{"network_namespace", sandbox.network_namespace},
          {"seccomp", sandbox.seccomp},
          {"landlock_abi", sandbox.landlock_abi},
          {"no_dumps", sandbox.no_dumps},
          {"reason", sandbox.reason}};
}

// One conversation with the server.
class Session {
 public:
  // `found` is what was found out before the process was sealed.
  Session(const Loader& load, const Sandbox& sandbox, LoadRequest found, Logger log, std::atomic<LogLevel>& log_level)
      : load_(load), sandbox_(sandbox), found_(std::move(found)), log_(std::move(log)), log_level_(log_level), outbox_(kSocket) {}

  int run() {
    while (true) {
      const auto payload = read_frame(kSocket);
      if (!payload.is_ok()) return broken(payload.status());
      if (!payload->has_value()) return 0;
      const auto request = parse_payload(**payload);
      if (!request.is_ok()) return broken(request.status());
      if (!handle(*request)) {
        outbox_.flush();
        return 0;
      }
    }
  }

 private:
  int broken(const Status& status) {
    log_.error("runner protocol broken", {{"reason", status.message()}});
    return 1;
  }

  void send(const Json& message) {
    if (outbox_.push(to_payload(message))) return;
    // The server does not read: without this message a request would never end.
    log_.error("runner cannot send its answers; it ends");
    std::_Exit(1);
  }

  // False on shutdown.
  bool handle(const Json& request) {
    const auto id_field = request.find("id");
    const uint64_t id = id_field != request.end() && id_field->is_number_unsigned() ? id_field->get<uint64_t>() : 0;
    const auto op_field = request.find("op");
    const std::string op = op_field != request.end() && op_field->is_string() ? op_field->get<std::string>() : "";
    if (op == "shutdown") return false;
    if (op == "load") {
      load(id, request);
    } else if (op == "gpus") {
      report_gpus(id);
    } else if (!host_) {
      send(error_message(id, {ErrorCode::kUnavailable, "no model is loaded"}));
    } else if (op == "generate" || op == "embed" || op == "tokenize") {
      desk_->put(id, request);
    } else if (op == "cancel") {
      if (desk_->remove(id)) {
        send({{"id", id}, {"type", "done"}, {"reason", "cancelled"}, {"prompt_tokens", 0}, {"generated_tokens", 0}});
      } else {
        host_->cancel(id);
      }
    } else if (op == "hold") {
      const auto held = request.find("held");
      host_->hold(id, held != request.end() && held->is_boolean() && held->get<bool>());
    } else if (op == "configure") {
      host_->configure(request);
      const auto level = request.find("log_level");
      if (level != request.end() && level->is_string()) log_level_ = level_of(level->get_ref<const std::string&>());
    } else {
      send(error_message(id, {ErrorCode::kInvalidArgument, "unknown operation"}));
    }
    return true;
  }

  // On the desk's thread.
  void prepare(uint64_t id, const Json& request) {
    try {
      const std::string op = request["op"].get<std::string>();
      if (op == "generate") host_->generate(id, request);
      if (op == "embed") host_->embed(id, request);
      if (op == "tokenize") host_->tokenize(id, request);
    } catch (const std::exception&) {
      // Out of memory, most likely; what() might quote the input.
      log_.error("runner ended by an unexpected exception");
      std::_Exit(1);
    }
  }

  void report_gpus(uint64_t id) {
    static const placement::Gpus kNone;
    send(gpu_report_json(id, found_.gpus != nullptr ? *found_.gpus : kNone));
  }

  void load(uint64_t id, const Json& request) {
    const Status status = try_load(id, request);
    if (status.is_ok()) return;
    log_.error("load failed", {{"code", error_code_name(status.code())}, {"reason", status.message()}});
    Json message = error_message(id, status);
    if (status.code() == ErrorCode::kUnavailable && found_.gpus != nullptr && !found_.gpus->open.empty()) {
      if (Json lost = gpu_faults_json(placement::find_faults(*found_.gpus)); !lost.empty()) message["lost_gpus"] = std::move(lost);
    }
    send(message);
  }

  Status try_load(uint64_t id, const Json& request) {
    if (host_) return {ErrorCode::kInvalidArgument, "load: a model is loaded already"};
    LoadRequest load_request = found_;
    if (const auto name = request.find("name"); name != request.end() && name->is_string()) load_request.name = name->get<std::string>();
    if (const auto options = request.find("options"); options != request.end()) {
      DA_ASSIGN_OR_RETURN(load_request.options, parse_load_options(*options));
    }
    // Before anything is loaded: the server may know of GPUs that are not there any more.
    if (found_.gpus != nullptr && found_.gpus->plugin != nullptr) report_gpus(id);
    load_request.on_device_lost = [this](const Status& status) {
      // The requests have had their errors. Nothing here can be trusted any more, nor put off to another device unasked.
      log_.error("a device has failed; the runner ends", {{"reason", status.message()}});
      outbox_.flush();
      std::_Exit(kDeviceLost);
    };
    const auto begin = std::chrono::steady_clock::now();
    auto last = begin - std::chrono::seconds(1);
    const LoadProgress progress = [&](uint64_t done, uint64_t total) {
      const auto now = std::chrono::steady_clock::now();
      if (now - last >= std::chrono::milliseconds(50) || done == total) {
        last = now;
        send({{"id", id}, {"type", "loading"}, {"bytes_done", done}, {"bytes_total", total}});
      }
      return !peer_is_gone();
    };
    DA_ASSIGN_OR_RETURN(LoadedModel model, load_(load_request, progress));
    const auto load_ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count();
    const std::string protocol = model.protocol;
    const std::vector<std::string> warnings = model.warnings;
    const std::string placement = model.placement;
    const int32_t n_gpu_layers = model.n_gpu_layers;
    const bool has_template = static_cast<bool>(model.render);
    host_.emplace(std::move(model), [this](const Json& message) { send(message); }, log_);
    desk_.emplace([this](uint64_t request_id, const Json& prepared) { prepare(request_id, prepared); },
                  [this](uint64_t request_id) { host_->cancel(request_id); });
    const engine::Engine& engine = host_->engine();
    Json ready = {{"id", id},
                  {"type", "ready"},
                  {"context_tokens", host_->context_tokens()},
                  {"max_context_tokens", engine.context_tokens()},
                  {"parallel", host_->n_places()},
                  {"memory_bytes", engine.memory_bytes()},
                  {"device_bytes", engine.device_bytes()},
                  {"gpu_layers", n_gpu_layers},
                  {"gpus", host_->gpus()},
                  {"placement", placement},
                  {"protocol", protocol},
                  {"template", has_template ? "jinja" : ""},
                  {"warnings", warnings},
                  {"load_ms", load_ms},
                  {"sandbox", sandbox_json(sandbox_)}};
    log_.info("model loaded", {{"model", load_request.name}, {"ms", load_ms},
                               {"context_tokens", host_->context_tokens()}, {"max_context_tokens", engine.context_tokens()},
                               {"kv_pages_max", engine.stats().pages_max}, {"memory_bytes", engine.memory_bytes()}});
    if (!placement.empty()) log_.info("model placed", {{"model", load_request.name}, {"device_bytes", engine.device_bytes()}, {"placement", placement}});
    for (const std::string& warning : warnings) log_.warn("model file", {{"model", load_request.name}, {"warning", warning}});
    send(ready);
    send(host_->stats());
    return Status::ok();
  }

  const Loader& load_;
  Sandbox sandbox_;
  LoadRequest found_;
  Logger log_;
  std::atomic<LogLevel>& log_level_;
  Outbox outbox_;
  std::optional<Host> host_;   // after outbox_: its engine's thread sends until it is gone
  std::optional<Desk> desk_;   // after host_: its thread hands requests over
};

}  // namespace

int serve(int argc, char** argv, const Loader& load) {
  bound_kept_memory();
  // Its life is the server's: signals of a terminal or a service manager go to the server, which ends it in order.
  for (const int ignored : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) signal(ignored, SIG_IGN);
  const char* format = std::getenv("DEEPANALYZE_LOG_FORMAT");
  const char* level = std::getenv("DEEPANALYZE_LOG_LEVEL");
  const auto log_level = std::make_shared<std::atomic<LogLevel>>(level_of(level != nullptr ? level : ""));
  const Logger log = stderr_logger(log_level, log_format_of(format != nullptr ? format : ""));
  const int32_t n_cpus = available_cpus();   // reads files, as do the next
  (void)cpu_topology();
  const uint64_t available_bytes = available_memory_bytes();
  const int n_files = std::clamp(number_of("--files=", 1, argc, argv), 1, 1024);
  GpuOpening gpus(number_of("--gpu-layers=", -1, argc, argv), n_cpus);
  const auto sandbox = seal(number_of("--parent=", 0, argc, argv), kModelFile + n_files - 1, gpus.access());
  if (!sandbox.is_ok()) {
    log.error("runner does not start", {{"reason", sandbox.status().message()}});
    return 1;
  }
  if (!sandbox->complete()) {
    const char* require = std::getenv("DEEPANALYZE_REQUIRE_SANDBOX");
    const bool required = require != nullptr && std::string_view(require) == "1";
    const auto fields = {LogField("network_namespace", sandbox->network_namespace ? "yes" : "no"),
                         LogField("seccomp", sandbox->seccomp ? "yes" : "no"), LogField("landlock_abi", sandbox->landlock_abi),
                         LogField("no_dumps", sandbox->no_dumps ? "yes" : "no"), LogField("reason", sandbox->reason)};
    log.log(required ? LogLevel::kError : LogLevel::kWarn, "runner is not fully sealed off", fields);
    if (required) {
      // The server learns why: the load message it sends first is answered before the end.
      if (const auto payload = read_frame(kSocket); payload.is_ok() && payload->has_value()) {
        const auto request = parse_payload(**payload);
        const uint64_t id = request.is_ok() && request->contains("id") && (*request)["id"].is_number_unsigned() ? (*request)["id"].get<uint64_t>() : 0;
        const Status refused(ErrorCode::kUnavailable, "DEEPANALYZE_REQUIRE_SANDBOX=1 and the runner cannot be sealed off: " + sandbox->reason);
        (void)write_frame(kSocket, to_payload(error_message(id, refused))).is_ok();
      }
      return 1;
    }
  }
  gpus.log_findings(log);
  try {
    const LoadRequest found{.model_fd = kModelFile,
                            .n_model_files = n_files,
                            .n_cpus = n_cpus,
                            .available_bytes = available_bytes,
                            .gpus = gpus.gpus(),
                            .gpu_reserve_bytes = placement::gpu_overhead_bytes()};
    return Session(load, *sandbox, found, log, *log_level).run();
  } catch (const std::bad_alloc&) {
    log.error("runner is out of memory");
  } catch (const std::exception&) {
    // what() might quote the input.
    log.error("runner ended by an unexpected exception");
  }
  return 1;
}

}  // namespace da::runner
