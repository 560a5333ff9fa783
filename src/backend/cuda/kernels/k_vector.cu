// The formats of 256 values with sub-block scales: products of a few rows.
#include "backend/cuda/device/integer_vector.cuh"
#include "backend/cuda/kernels.h"

namespace da::backend::cuda {

void k_vector(Launcher& launcher, PackedFormat format, const LinearArgs& args) {
  switch (format) {
    case PackedFormat::kQ2_K:
      return integer_vector<Q2_K>(launcher, args);
    case PackedFormat::kQ3_K:
      return integer_vector<Q3_K>(launcher, args);
    case PackedFormat::kQ4_K:
      return integer_vector<Q4_K>(launcher, args);
    case PackedFormat::kQ5_K:
      return integer_vector<Q5_K>(launcher, args);
    case PackedFormat::kQ6_K:
      return integer_vector<Q6_K>(launcher, args);
    default:
      return;  // the other formats have files of their own
  }
}

void k_heads(Launcher& launcher, PackedFormat format, const HeadLinearArgs& args, int32_t n_heads) {
  switch (format) {
    case PackedFormat::kQ2_K:
      return integer_heads<Q2_K>(launcher, args, n_heads);
    case PackedFormat::kQ3_K:
      return integer_heads<Q3_K>(launcher, args, n_heads);
    case PackedFormat::kQ4_K:
      return integer_heads<Q4_K>(launcher, args, n_heads);
    case PackedFormat::kQ5_K:
      return integer_heads<Q5_K>(launcher, args, n_heads);
    case PackedFormat::kQ6_K:
      return integer_heads<Q6_K>(launcher, args, n_heads);
    default:
      return;  // the other formats have files of their own
  }
}

}  // namespace da::backend::cuda
