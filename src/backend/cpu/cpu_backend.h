#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/cpu_topology.h"

namespace da::backend {

struct CpuOptions {
  int32_t n_threads = 0;  // 0: the CPUs this process may use
  std::string isa;        // "": the best this CPU has; otherwise one of cpu_isa_names()
  // Weights stay in the mapped file, which must stay mapped, and are packed anew at every product: slower, and no
  // memory but the page cache's. For models too big to pack.
  bool map_weights = false;
  bool pin_threads = false;               // each worker stays on one processor
  const CpuTopology* topology = nullptr;  // null: this machine's. Weights lie on the nodes of those who read them
};

// Instruction sets with kernels, best first: "avx512vnni", "avxvnni", "avx2", "neon_i8mm", "neon", "scalar".
std::vector<std::string_view> cpu_isa_names();
bool cpu_isa_supported(std::string_view name);

// Errors: kInvalidArgument (unknown instruction set; the known are listed), kUnsupported (this CPU lacks it).
Result<std::unique_ptr<Backend>> make_cpu_backend(const CpuOptions& options);

}  // namespace da::backend
