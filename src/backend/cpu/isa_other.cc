#include "backend/cpu/isa.h"

namespace da::backend::cpu {

std::span<const IsaEntry> vector_isas() { return {}; }

}  // namespace da::backend::cpu
