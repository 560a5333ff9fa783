#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "backend/cpu/isa.h"

namespace da::backend::cpu {

std::span<const IsaEntry> vector_isas() {
  static const bool dot_products = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  static const bool matrix_products = dot_products && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
  static const IsaEntry entries[] = {{&kNeonI8mmKernels, matrix_products}, {&kNeonKernels, dot_products}};
  return entries;
}

}  // namespace da::backend::cpu
