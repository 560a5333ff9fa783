#include "placement/place.h"

#include <utility>

namespace da::placement {

Result<Placed> place(const gguf::File& file, const backend::GpuPlugin* plugin, const PlaceOptions& options) {
  std::vector<Room> rooms;
  if (plugin != nullptr && options.wishes.gpu_layers != 0) {
    DA_ASSIGN_OR_RETURN(const std::vector<device::Gpu> gpus, plugin->list());
    for (const device::Gpu& gpu : gpus) rooms.push_back({gpu.memory_free_bytes});
  }
  const Plan plan = first_fit(model_needs(file), rooms, options.wishes);
  Placed placed{.stages = {}, .why = plan.why};
  for (const Stage& stage : plan.stages) {
    const bool last = &stage == &plan.stages.back();
    auto backend = stage.device == kCpu ? backend::make_cpu_backend(options.cpu)
                                        : plugin->make({.device = stage.device, .n_threads = options.cpu.n_threads});
    if (!backend.is_ok()) return backend.status();
    placed.stages.push_back({std::move(*backend), last ? 0 : stage.n_layers});
  }
  // A file without layers is the loader's to refuse.
  if (placed.stages.empty()) {
    DA_ASSIGN_OR_RETURN(auto cpu, backend::make_cpu_backend(options.cpu));
    placed.stages = model::on_one(std::move(cpu));
  }
  return placed;
}

}  // namespace da::placement
