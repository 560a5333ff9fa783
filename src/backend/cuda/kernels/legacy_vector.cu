// The formats with one scale for 32 values: products of a few rows.
#include "backend/cuda/device/integer_vector.cuh"
#include "backend/cuda/kernels.h"

namespace da::backend::cuda {

void legacy_vector(Launcher& launcher, PackedFormat format, const LinearArgs& args) {
  switch (format) {
    case PackedFormat::kQ4_0:
      return integer_vector<Q4_0>(launcher, args);
    case PackedFormat::kQ4_1:
      return integer_vector<Q4_1>(launcher, args);
    case PackedFormat::kQ5_0:
      return integer_vector<Q5_0>(launcher, args);
    case PackedFormat::kQ5_1:
      return integer_vector<Q5_1>(launcher, args);
    case PackedFormat::kQ8_0:
      return integer_vector<Q8_0>(launcher, args);
    default:
      return;  // the other formats have files of their own
  }
}

void legacy_heads(Launcher& launcher, PackedFormat format, const HeadLinearArgs& args, int32_t n_heads) {
  switch (format) {
    case PackedFormat::kQ4_0:
      return integer_heads<Q4_0>(launcher, args, n_heads);
    case PackedFormat::kQ4_1:
      return integer_heads<Q4_1>(launcher, args, n_heads);
    case PackedFormat::kQ5_0:
      return integer_heads<Q5_0>(launcher, args, n_heads);
    case PackedFormat::kQ5_1:
      return integer_heads<Q5_1>(launcher, args, n_heads);
    case PackedFormat::kQ8_0:
      return integer_heads<Q8_0>(launcher, args, n_heads);
    default:
      return;  // the other formats have files of their own
  }
}

}  // namespace da::backend::cuda
