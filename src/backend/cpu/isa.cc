#include "backend/cpu/isa.h"

#include <string>

#include "backend/cpu/cpu_backend.h"

namespace da::backend {
namespace cpu {

Result<const KernelTable*> select_kernels(std::string_view name) {
  for (const IsaEntry& entry : vector_isas()) {
    if (name.empty() && entry.supported) return entry.table;
    if (name != entry.table->name) continue;
    if (entry.supported) return entry.table;
    return {ErrorCode::kUnsupported, "instruction set \"" + std::string(name) + "\": this CPU does not have it"};
  }
  if (name.empty() || name == kScalarKernels.name) return &kScalarKernels;
  std::string known;
  for (const std::string_view isa : cpu_isa_names()) known += (known.empty() ? "" : ", ") + std::string(isa);
  return {ErrorCode::kInvalidArgument, "instruction set \"" + std::string(name) + "\" is not known; known: " + known};
}

}  // namespace cpu

std::vector<std::string_view> cpu_isa_names() {
  std::vector<std::string_view> names;
  for (const cpu::IsaEntry& entry : cpu::vector_isas()) names.emplace_back(entry.table->name);
  names.emplace_back(cpu::kScalarKernels.name);
  return names;
}

bool cpu_isa_supported(std::string_view name) { return !name.empty() && cpu::select_kernels(name).is_ok(); }

}  // namespace da::backend
