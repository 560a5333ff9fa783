#include "backend/cpu/isa.h"

namespace da::backend::cpu {

std::span<const IsaEntry> vector_isas() {
  static const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  static const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                             __builtin_cpu_supports("avx512vnni");
  static const bool avxvnni = avx2 && __builtin_cpu_supports("avxvnni");
  static const IsaEntry entries[] = {{&kAvx512VnniKernels, avx512}, {&kAvxVnniKernels, avxvnni}, {&kAvx2Kernels, avx2}};
  return entries;
}

}  // namespace da::backend::cpu
