#include "placement/place.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace da::placement {
namespace {

// The layer of "blk.12.attn_q.weight"; -1 if the tensor belongs to none.
int32_t layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return -1;
  int32_t layer = -1;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, layer);
  return error == std::errc() && rest != end && *rest == '.' ? layer : -1;
}

// The embedding is read on the host whoever has the first layer, and the head is the last layer's.
uint64_t host_weight_bytes(const gguf::File& file, int32_t n_gpu_layers, bool all_on_gpus) {
  uint64_t bytes = 0;
  for (const gguf::Tensor& tensor : file.tensors()) {
    const int32_t layer = layer_of(tensor.name);
    const bool on_host = layer >= 0 ? layer >= n_gpu_layers : !all_on_gpus;
    if (on_host) bytes += tensor.size_bytes;
  }
  return bytes;
}

class Placing {
 public:
  Placing(const gguf::File& file, Gpus& gpus, const PlaceOptions& options)
      : file_(file), gpus_(gpus), options_(options) {}

  Result<Placed> run() {
    DA_RETURN_IF_ERROR(look_around());
    DA_ASSIGN_OR_RETURN(const model::StageMeter meter, model::StageMeter::open(file_));
    ModelShape shape{.n_layers = meter.n_layers(), .cuts = {}};
    for (int32_t layer = 1; layer < shape.n_layers; ++layer) {
      if (meter.can_begin(layer)) shape.cuts.push_back(layer);
    }
    const auto measure = [&](int32_t room, int32_t first, int32_t n) -> Result<model::StageBytes> {
      DA_ASSIGN_OR_RETURN(auto counting, gpus_.plugin->make({.device = device(room), .count_only = true}));
      return meter.measure(std::move(counting), first, n, options_.meter);
    };
    DA_ASSIGN_OR_RETURN(const Plan plan, first_fit(shape, rooms_, options_.wishes, measure));
    return open(plan, shape.n_layers);
  }

 private:
  // Which GPUs may be used, and what is free on them now.
  Status look_around() {
    DA_ASSIGN_OR_RETURN(const std::vector<device::Gpu> now, gpus_.plugin->list());
    for (OpenGpu& gpu : gpus_.open) {
      if (!is_wanted(gpu.gpu)) continue;
      const auto found =
          std::find_if(now.begin(), now.end(), [&](const device::Gpu& other) { return other.uuid == gpu.gpu.uuid; });
      if (found == now.end()) continue;
      if (!found->fault.empty()) return {ErrorCode::kUnavailable, found->fault};
      usable_.push_back(&gpu);
      planned_.push_back({*found});
      rooms_.push_back({"GPU " + std::to_string(gpu.gpu.index) + " (" + gpu.gpu.name + ")", found->memory_free_bytes});
    }
    if (!usable_.empty()) return Status::ok();
    for (const UnusableGpu& gpu : gpus_.unusable) {
      if (is_wanted(gpu.gpu)) return {ErrorCode::kUnavailable, gpu.why.message()};
    }
    if (options_.only_gpu < 0) return {ErrorCode::kUnavailable, "GPU: the driver no longer shows any"};
    return {options_.only_uuid.empty() ? ErrorCode::kInvalidArgument : ErrorCode::kUnavailable,
            "main_gpu " + std::to_string(options_.only_gpu) +
                (options_.only_uuid.empty() ? "" : " (" + options_.only_uuid + ")") +
                ": the driver does not show it; it shows " + std::to_string(now.size())};
  }
  bool is_wanted(const device::Gpu& gpu) const {
    if (!options_.only_uuid.empty()) return gpu.uuid == options_.only_uuid;
    return options_.only_gpu < 0 || gpu.index == options_.only_gpu;
  }
  int32_t device(int32_t room) const { return usable_[static_cast<size_t>(room)]->gpu.index; }

  Result<Placed> open(const Plan& plan, int32_t n_layers) {
    Placed placed{.stages = {}, .why = plan.why, .gpus = {}, .max_pages = std::numeric_limits<int32_t>::max()};
    std::vector<int32_t> used;
    for (const Stage& stage : plan.stages) {
      const bool last = &stage == &plan.stages.back();
      if (stage.device == kCpu) {
        DA_ASSIGN_OR_RETURN(auto cpu, backend::make_cpu_backend(options_.cpu));
        placed.stages.push_back({std::move(cpu), last ? 0 : stage.n_layers});
        continue;
      }
      placed.n_gpu_layers += stage.n_layers;
      placed.gpu_bytes += stage.bytes.total;
      placed.max_pages = std::min(placed.max_pages, pages_in(stage));
      used.push_back(device(stage.device));
      DA_ASSIGN_OR_RETURN(auto backend, open_gpu(*usable_[static_cast<size_t>(stage.device)]));
      planned_[static_cast<size_t>(stage.device)].backend = dynamic_cast<const backend::DeviceBackend*>(backend.get());
      placed.stages.push_back({std::move(backend), last ? 0 : stage.n_layers});
    }
    if (used.empty()) placed.max_pages = 0;
    placed.gpus = planned_;
    placed.host_weight_bytes = host_weight_bytes(file_, placed.n_gpu_layers, placed.n_gpu_layers == n_layers);
    for (OpenGpu& gpu : gpus_.open) {
      if (std::find(used.begin(), used.end(), gpu.gpu.index) != used.end()) continue;
      gpu.backend.reset();
      DA_RETURN_IF_ERROR(gpus_.plugin->release(gpu.gpu.index));
    }
    return placed;
  }

  // The first load takes what was opened; one that follows a failed load opens it anew.
  Result<std::unique_ptr<backend::Backend>> open_gpu(OpenGpu& gpu) const {
    if (gpu.backend != nullptr) return std::move(gpu.backend);
    backend::GpuOptions options{.device = gpu.gpu.index, .n_threads = options_.cpu.n_threads};
    if (gpus_.step_deadline_ms > 0) options.step_deadline_ms = gpus_.step_deadline_ms;
    return gpus_.plugin->make(options);
  }

  int32_t pages_in(const Stage& stage) const {
    const uint64_t free = rooms_[static_cast<size_t>(stage.device)].free_bytes;
    const uint64_t taken = stage.bytes.total + options_.wishes.reserve_bytes;
    if (stage.bytes.page == 0) return std::numeric_limits<int32_t>::max();
    const uint64_t more = (free - std::min(free, taken)) / stage.bytes.page;
    return static_cast<int32_t>(
        std::min<uint64_t>(static_cast<uint64_t>(options_.meter.n_pages) + more, std::numeric_limits<int32_t>::max()));
  }

  const gguf::File& file_;
  Gpus& gpus_;
  const PlaceOptions& options_;
  std::vector<OpenGpu*> usable_;
  std::vector<PlannedGpu> planned_;  // of the same
  std::vector<Room> rooms_;
};

}  // namespace

Result<Placed> place(const gguf::File& file, Gpus* gpus, const PlaceOptions& options) {
  if (gpus != nullptr && !gpus->open.empty() && options.wishes.gpu_layers != 0)
    return Placing(file, *gpus, options).run();
  Placed placed;
  placed.host_weight_bytes = host_weight_bytes(file, 0, false);
  if (gpus != nullptr) placed.why = gpus->open.empty() ? gpus->none : "no layers on GPUs: none were asked for";
  DA_ASSIGN_OR_RETURN(auto cpu, backend::make_cpu_backend(options.cpu));
  placed.stages = model::on_one(std::move(cpu));
  return placed;
}

}  // namespace da::placement
