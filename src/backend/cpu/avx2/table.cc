// The order matters: types of the table, types of the target, bodies written with them.
#include "backend/cpu/kernels.h"

#include "backend/cpu/simd/avx2.h"

#include "backend/cpu/body/functions.h"

#include "backend/cpu/body/rows-inl.h"

#include "backend/cpu/body/codes-inl.h"

#include "backend/cpu/body/attention-inl.h"

#include "backend/cpu/body/pack-inl.h"

namespace da::backend::cpu {

const KernelTable kAvx2Kernels = {
    "avx2",
    avx2::kLanes,
    avx2::kSignedQ8,
    {avx2::linear_f32, avx2::linear_f16, avx2::linear_bf16, avx2::linear_q4_0, avx2::linear_q4_1, avx2::linear_q5_0,
     avx2::linear_q5_1, avx2::linear_q8_0, avx2::linear_q2_k, avx2::linear_q3_k, avx2::linear_q4_k, avx2::linear_q5_k,
     avx2::linear_q6_k, avx2::linear_iq4_nl, avx2::linear_iq4_xs, avx2::linear_mxfp4, avx2::linear_coded},
    avx2::pack_group,
    avx2::attention,
    avx2::quantize,
    avx2::rms_norm,
    avx2::layer_norm,
    avx2::gate,
    avx2::to_half,
    avx2::dot,
};

}  // namespace da::backend::cpu
