// Compiled once for each instruction set, with its flags and DA_CPU_SIMD naming its header. The order matters: types of
// the table, types of the target, bodies written with them.
#include "backend/cpu/kernels.h"

#include DA_CPU_SIMD

#include "backend/cpu/body/functions.h"

#include "backend/cpu/body/codes-inl.h"

#include "backend/cpu/body/linear_float-inl.h"

namespace da::backend::cpu::DA_CPU_TARGET {

void linear_f32(const LinearJob& job, int64_t begin, int64_t end) { linear_float<F32Codes>(job, begin, end); }
void linear_f16(const LinearJob& job, int64_t begin, int64_t end) { linear_float<F16Codes>(job, begin, end); }
void linear_bf16(const LinearJob& job, int64_t begin, int64_t end) { linear_float<BF16Codes>(job, begin, end); }

}  // namespace da::backend::cpu::DA_CPU_TARGET
