// Compiled once for each instruction set, with its flags and DA_CPU_SIMD naming its header. The order matters: types of
// the table, types of the target, bodies written with them.
#include "backend/cpu/kernels.h"

#include DA_CPU_SIMD

#include "backend/cpu/body/functions.h"

#include "backend/cpu/body/codes-inl.h"

#include "backend/cpu/body/linear_few-inl.h"

#include "backend/cpu/body/linear_tile-inl.h"

#include "backend/cpu/body/coded-inl.h"

namespace da::backend::cpu::DA_CPU_TARGET {

void linear_iq4_nl(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<IQ4_NL>(job, begin, end); }
void linear_iq4_xs(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<IQ4_XS>(job, begin, end); }
void linear_mxfp4(const LinearJob& job, int64_t begin, int64_t end) { linear_integer<MXFP4>(job, begin, end); }
void linear_coded(const LinearJob& job, int64_t begin, int64_t end) { linear_coded_rows(job, begin, end); }

}  // namespace da::backend::cpu::DA_CPU_TARGET
