#pragma once

#include <span>
#include <string_view>

#include "backend/cpu/kernels.h"
#include "base/result.h"

namespace da::backend::cpu {

struct IsaEntry {
  const KernelTable* table;
  bool supported;  // by this CPU
};

// The instruction sets of this build beside scalar, best first. Defined by isa_x86.cc or isa_other.cc.
std::span<const IsaEntry> vector_isas();

// The table named, or the best supported for "". Errors as make_cpu_backend.
Result<const KernelTable*> select_kernels(std::string_view name);

}  // namespace da::backend::cpu
