// Compiled once for each instruction set, with its flags and DA_CPU_SIMD naming its header. The order matters: types of
// the table, types of the target, bodies written with them.
#include "backend/cpu/kernels.h"

#include DA_CPU_SIMD

#include "backend/cpu/body/functions.h"

#include "backend/cpu/body/codes-inl.h"

#include "backend/cpu/body/linear_few-inl.h"

#include "backend/cpu/body/linear_tile-inl.h"

namespace da::backend::cpu::DA_CPU_TARGET {

void linear_q4_0(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<Q4_0>(job, begin, end); }
void linear_q4_1(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<Q4_1>(job, begin, end); }
void linear_q5_0(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<Q5_0>(job, begin, end); }
void linear_q5_1(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<Q5_1>(job, begin, end); }
void linear_q8_0(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<Q8_0>(job, begin, end); }

}  // namespace da::backend::cpu::DA_CPU_TARGET
