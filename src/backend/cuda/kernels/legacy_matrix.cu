// The formats with one scale for 32 values: products of many rows.
#include "backend/cuda/device/integer_matrix.cuh"
#include "backend/cuda/kernels.h"

namespace da::backend::cuda {

void legacy_matrix(Launcher& launcher, PackedFormat format, const LinearArgs& args, int32_t n_tiles) {
  switch (format) {
    case PackedFormat::kQ4_0:
      return integer_matrix<Q4_0>(launcher, args, n_tiles);
    case PackedFormat::kQ4_1:
      return integer_matrix<Q4_1>(launcher, args, n_tiles);
    case PackedFormat::kQ5_0:
      return integer_matrix<Q5_0>(launcher, args, n_tiles);
    case PackedFormat::kQ5_1:
      return integer_matrix<Q5_1>(launcher, args, n_tiles);
    case PackedFormat::kQ8_0:
      return integer_matrix<Q8_0>(launcher, args, n_tiles);
    default:
      return;  // the other formats have files of their own
  }
}

}  // namespace da::backend::cuda
