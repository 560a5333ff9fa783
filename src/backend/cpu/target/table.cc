// Compiled once for each instruction set, with its flags and DA_CPU_SIMD naming its header. The order matters: types of
// the table, types of the target, bodies written with them.
#include "backend/cpu/kernels.h"

#include DA_CPU_SIMD

#include "backend/cpu/body/functions.h"

#include "backend/cpu/body/rows-inl.h"

#include "backend/cpu/body/codes-inl.h"

#include "backend/cpu/body/attention-inl.h"

#include "backend/cpu/body/pack_k-inl.h"

#include "backend/cpu/body/pack-inl.h"

namespace da::backend::cpu {

const KernelTable DA_CPU_TABLE = {
    DA_CPU_NAME,
    DA_CPU_TARGET::kLanes,
    DA_CPU_TARGET::kSignedQ8,
    {DA_CPU_TARGET::linear_f32, DA_CPU_TARGET::linear_f16, DA_CPU_TARGET::linear_bf16, DA_CPU_TARGET::linear_q4_0,
     DA_CPU_TARGET::linear_q4_1, DA_CPU_TARGET::linear_q5_0, DA_CPU_TARGET::linear_q5_1, DA_CPU_TARGET::linear_q8_0,
     DA_CPU_TARGET::linear_q2_k, DA_CPU_TARGET::linear_q3_k, DA_CPU_TARGET::linear_q4_k, DA_CPU_TARGET::linear_q5_k,
     DA_CPU_TARGET::linear_q6_k, DA_CPU_TARGET::linear_iq4_nl, DA_CPU_TARGET::linear_iq4_xs,
     DA_CPU_TARGET::linear_mxfp4, DA_CPU_TARGET::linear_coded},
    DA_CPU_TARGET::pack_group,
    DA_CPU_TARGET::attention,
    DA_CPU_TARGET::quantize,
    DA_CPU_TARGET::quantize_long,
    DA_CPU_TARGET::rms_norm,
    DA_CPU_TARGET::layer_norm,
    DA_CPU_TARGET::gate,
    DA_CPU_TARGET::to_half,
    DA_CPU_TARGET::dot,
};

}  // namespace da::backend::cpu
