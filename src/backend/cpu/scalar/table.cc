// The order matters: types of the table, types of the target, bodies written with them.
#include "backend/cpu/kernels.h"

#include "backend/cpu/simd/scalar.h"

#include "backend/cpu/body/functions.h"

#include "backend/cpu/body/rows-inl.h"

#include "backend/cpu/body/codes-inl.h"

#include "backend/cpu/body/attention-inl.h"

#include "backend/cpu/body/pack-inl.h"

namespace da::backend::cpu {

const KernelTable kScalarKernels = {
    "scalar",
    scalar::kLanes,
    scalar::kSignedQ8,
    {scalar::linear_f32, scalar::linear_f16, scalar::linear_bf16, scalar::linear_q4_0, scalar::linear_q4_1,
     scalar::linear_q5_0, scalar::linear_q5_1, scalar::linear_q8_0, scalar::linear_q2_k, scalar::linear_q3_k,
     scalar::linear_q4_k, scalar::linear_q5_k, scalar::linear_q6_k, scalar::linear_iq4_nl, scalar::linear_iq4_xs,
     scalar::linear_mxfp4, scalar::linear_coded},
    scalar::pack_group,
    scalar::attention,
    scalar::quantize,
    scalar::rms_norm,
    scalar::layer_norm,
    scalar::gate,
    scalar::to_half,
    scalar::dot,
};

}  // namespace da::backend::cpu
