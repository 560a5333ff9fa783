// The order matters: types of the table, types of the target, bodies written with them.
#include "backend/cpu/kernels.h"

#include "backend/cpu/simd/avx512.h"

#include "backend/cpu/body/functions.h"

#include "backend/cpu/body/rows-inl.h"

#include "backend/cpu/body/codes-inl.h"

#include "backend/cpu/body/attention-inl.h"

#include "backend/cpu/body/pack-inl.h"

namespace da::backend::cpu {

const KernelTable kAvx512VnniKernels = {
    "avx512vnni",
    avx512vnni::kLanes,
    avx512vnni::kSignedQ8,
    {avx512vnni::linear_f32, avx512vnni::linear_f16, avx512vnni::linear_bf16, avx512vnni::linear_q4_0,
     avx512vnni::linear_q4_1, avx512vnni::linear_q5_0, avx512vnni::linear_q5_1, avx512vnni::linear_q8_0,
     avx512vnni::linear_q2_k, avx512vnni::linear_q3_k, avx512vnni::linear_q4_k, avx512vnni::linear_q5_k,
     avx512vnni::linear_q6_k, avx512vnni::linear_iq4_nl, avx512vnni::linear_iq4_xs, avx512vnni::linear_mxfp4,
     avx512vnni::linear_coded},
    avx512vnni::pack_group,
    avx512vnni::attention,
    avx512vnni::quantize,
    avx512vnni::rms_norm,
    avx512vnni::layer_norm,
    avx512vnni::gate,
    avx512vnni::to_half,
    avx512vnni::dot,
};

}  // namespace da::backend::cpu
