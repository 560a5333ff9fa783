#include "runner/gpu_report.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/unique_fd.h"
#include "runner/frame.h"
#include "runner/spawn.h"

namespace da::runner {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr size_t kMostGpus = 64, kMostNameBytes = 128, kMostTextBytes = 512;
constexpr milliseconds kTurn(100), kExitGrace(500);

std::string text_of(const nlohmann::json& object, const char* key, size_t most) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return "";
  std::string text = found->get<std::string>();
  if (text.size() > most) text.resize(most);
  for (char& c : text) c = c >= ' ' && c <= '~' ? c : '?';
  return text;
}

bool is_uuid(const std::string& text) {
  return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; });
}

Json sight_json(const device::Gpu& gpu, const std::string& fault) { return {{"uuid", gpu.uuid}, {"name", gpu.name}, {"fault", fault}}; }

// Ends its process when it goes out of scope.
class Probe {
 public:
  explicit Probe(pid_t pid) : pid_(pid) {}
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  ~Probe() {
    const auto limit = Clock::now() + kExitGrace;
    while (waitpid(pid_, nullptr, WNOHANG) == 0) {
      if (Clock::now() > limit) kill(pid_, SIGKILL);
      std::this_thread::sleep_for(milliseconds(5));
    }
  }

 private:
  const pid_t pid_;
};

Result<GpuReport> ask(int fd, milliseconds limit, const std::function<bool()>& give_up) {
  DA_RETURN_IF_ERROR(write_frame(fd, to_payload({{"id", 1}, {"op", "gpus"}})));
  const auto deadline = Clock::now() + limit;
  while (true) {
    pollfd wait{fd, POLLIN, 0};
    const int ready = poll(&wait, 1, static_cast<int>(kTurn.count()));
    if (ready > 0) break;
    if (ready < 0 && errno != EINTR) return {ErrorCode::kIo, std::string("probe GPUs: poll: ") + std::strerror(errno)};
    if (give_up()) return {ErrorCode::kUnavailable, "probe GPUs: given up"};
    if (Clock::now() > deadline) return {ErrorCode::kUnavailable, "the driver does not answer"};
  }
  DA_ASSIGN_OR_RETURN(const auto payload, read_frame(fd));
  if (!payload) return {ErrorCode::kUnavailable, "the process that looked for it stopped"};
  DA_ASSIGN_OR_RETURN(const Json message, parse_payload(*payload));
  if (message.value("type", "") != "gpus") return {ErrorCode::kUnavailable, "the process that looked for it was refused"};
  return read_gpu_report(nlohmann::json(message));
}

}  // namespace

Json gpu_faults_json(const std::vector<placement::UnusableGpu>& gpus) {
  Json list = Json::array();
  for (const placement::UnusableGpu& gpu : gpus) list.push_back(sight_json(gpu.gpu, gpu.why.message()));
  return list;
}

Json gpu_report_json(uint64_t id, const placement::Gpus& gpus) {
  std::vector<std::pair<int32_t, Json>> seen;
  for (const placement::OpenGpu& open : gpus.open) seen.emplace_back(open.gpu.index, sight_json(open.gpu, ""));
  for (const placement::UnusableGpu& gpu : gpus.unusable) seen.emplace_back(gpu.gpu.index, sight_json(gpu.gpu, gpu.why.message()));
  std::sort(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Json list = Json::array();
  for (auto& [index, gpu] : seen) list.push_back(std::move(gpu));
  const bool unknown = list.empty() && !gpus.fault.is_ok();
  return {{"id", id}, {"type", "gpus"}, {"gpus", std::move(list)}, {"none", gpus.none}, {"driver_fault", unknown ? gpus.fault.message() : ""}};
}

GpuReport read_gpu_report(const nlohmann::json& message) {
  GpuReport report{.gpus = {}, .none = text_of(message, "none", kMostTextBytes), .driver_fault = text_of(message, "driver_fault", kMostTextBytes)};
  const auto list = message.find("gpus");
  if (list == message.end() || !list->is_array()) return report;
  for (const nlohmann::json& gpu : *list) {
    if (!gpu.is_object() || report.gpus.size() >= kMostGpus) continue;
    GpuSight sight{text_of(gpu, "uuid", kMostNameBytes), text_of(gpu, "name", kMostNameBytes), text_of(gpu, "fault", kMostTextBytes)};
    if (is_uuid(sight.uuid)) report.gpus.push_back(std::move(sight));
  }
  return report;
}

Result<GpuReport> probe_gpus(const std::string& uuid, milliseconds limit, const std::function<bool()>& give_up) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return {ErrorCode::kIo, std::string("probe GPUs: socketpair: ") + std::strerror(errno)};
  UniqueFd peer(pair[1]), wire(pair[0]);
  DA_ASSIGN_OR_RETURN(const pid_t pid, spawn_runner(peer.get(), {}, -1, uuid));
  const Probe probe(pid);
  peer.reset();
  auto report = ask(wire.get(), limit, give_up);
  wire.reset();   // it ends when nobody listens
  return report;
}

}  // namespace da::runner
