#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace da::device {

// A GPU as its driver describes it.
struct Gpu {
  int32_t index = 0;  // among those visible to this process
  std::string uuid;   // "GPU-5a5a…"
  std::string name;
  int32_t compute_major = 0, compute_minor = 0;
  uint64_t memory_total_bytes = 0, memory_free_bytes = 0;
  int32_t driver_version = 0;  // 13000: CUDA 13.0
  std::string pci_address;     // "0000:01:00.0"
  std::vector<int32_t>
      peers;          // indices of those whose memory it reaches directly (NVLink, or PCIe where that is allowed)
  std::string fault;  // why it cannot be used, where the driver lists one that it cannot describe or open
};

}  // namespace da::device
