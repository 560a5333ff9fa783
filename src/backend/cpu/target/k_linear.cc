// Compiled once for each instruction set, with its flags and DA_CPU_SIMD naming its header. The order matters: types of
// the table, types of the target, bodies written with them.
#include "backend/cpu/kernels.h"

#include DA_CPU_SIMD

#include "backend/cpu/body/functions.h"

#include "backend/cpu/body/codes-inl.h"

#include "backend/cpu/body/linear_few-inl.h"

#include "backend/cpu/body/linear_tile-inl.h"

namespace da::backend::cpu::DA_CPU_TARGET {

void linear_q2_k(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<Q2_K>(job, begin, end); }
void linear_q3_k(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<Q3_K>(job, begin, end); }
void linear_q4_k(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<Q4_K>(job, begin, end); }
void linear_q5_k(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<Q5_K>(job, begin, end); }
void linear_q6_k(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<Q6_K>(job, begin, end); }

}  // namespace da::backend::cpu::DA_CPU_TARGET
