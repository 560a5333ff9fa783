// devices: what hardware models could run on.
#include <cstdio>

#include "backend/gpu_plugin.h"
#include "base/cpu_limits.h"
#include "base/memory_limits.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "device/pci_link.h"

namespace da::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string cuda_version(int32_t number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

Json link_json(const device::Gpu& gpu) {
  Json json = Json::object();
  if (const auto link = device::pci_link(gpu.pci_address)) {
    json = {{"pcie_generation", link->generation},
            {"pcie_width", link->width},
            {"pcie_generation_max", link->max_generation},
            {"pcie_width_max", link->max_width}};
  }
  json["peers"] = gpu.peers;
  return json;
}

Json gpu_json(const device::Gpu& gpu) {
  Json json = {{"index", gpu.index},
               {"uuid", gpu.uuid},
               {"name", gpu.name},
               {"compute_capability", std::to_string(gpu.compute_major) + "." + std::to_string(gpu.compute_minor)},
               {"memory_total", gpu.memory_total_bytes},
               {"memory_free", gpu.memory_free_bytes},
               {"cuda_version", cuda_version(gpu.driver_version)},
               {"driver", device::nvidia_driver_version()},
               {"pci_address", gpu.pci_address},
               {"link", link_json(gpu)}};
  if (!gpu.fault.empty()) json["fault"] = gpu.fault;
  return json;
}

void print_gpu(const device::Gpu& gpu) {
  std::printf("GPU %d  %s  %s  compute %d.%d  %llu of %llu MiB free  CUDA %s  PCI %s", gpu.index, gpu.name.c_str(),
              gpu.uuid.c_str(), gpu.compute_major, gpu.compute_minor,
              static_cast<unsigned long long>(gpu.memory_free_bytes >> 20),
              static_cast<unsigned long long>(gpu.memory_total_bytes >> 20), cuda_version(gpu.driver_version).c_str(),
              gpu.pci_address.c_str());
  if (const auto link = device::pci_link(gpu.pci_address)) std::printf("  %s", device::describe(*link).c_str());
  if (const std::string driver = device::nvidia_driver_version(); !driver.empty())
    std::printf("  driver %s", driver.c_str());
  if (!gpu.fault.empty()) std::printf("  cannot be used: %s", gpu.fault.c_str());
  std::printf("\n");
}

Result<std::vector<device::Gpu>> find_gpus() {
  DA_ASSIGN_OR_RETURN(const backend::GpuPlugin* plugin,
                      backend::load_gpu_plugin(backend::GpuPluginSearch::from_environment()));
  return plugin->list();
}

}  // namespace

int devices(const DevicesOptions& options) {
  const int n_threads = available_cpus();
  const uint64_t memory_bytes = available_memory_bytes();
  const auto gpus = find_gpus();
  if (options.json) {
    Json list = Json::array();
    if (gpus.is_ok()) {
      for (const device::Gpu& gpu : *gpus) list.push_back(gpu_json(gpu));
    }
    Json all = {{"cpu", {{"threads", n_threads}, {"memory_available", memory_bytes}}}, {"gpus", std::move(list)}};
    if (!gpus.is_ok()) all["no_gpu"] = gpus.status().message();
    return print_json(all), 0;
  }
  std::printf("CPU  %d threads  %llu MiB available\n", n_threads, static_cast<unsigned long long>(memory_bytes >> 20));
  if (!gpus.is_ok()) return std::printf("%s\n", gpus.status().message().c_str()), 0;
  for (const device::Gpu& gpu : *gpus) print_gpu(gpu);
  return 0;
}

}  // namespace da::cli
