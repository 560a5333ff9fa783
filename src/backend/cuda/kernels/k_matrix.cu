// The formats of 256 values with sub-block scales: products of many rows.
#include "backend/cuda/device/integer_matrix.cuh"
#include "backend/cuda/kernels.h"

namespace da::backend::cuda {

void k_matrix(Launcher& launcher, PackedFormat format, const LinearArgs& args, int32_t n_tiles) {
  switch (format) {
    case PackedFormat::kQ2_K:
      return integer_matrix<Q2_K>(launcher, args, n_tiles);
    case PackedFormat::kQ3_K:
      return integer_matrix<Q3_K>(launcher, args, n_tiles);
    case PackedFormat::kQ4_K:
      return integer_matrix<Q4_K>(launcher, args, n_tiles);
    case PackedFormat::kQ5_K:
      return integer_matrix<Q5_K>(launcher, args, n_tiles);
    case PackedFormat::kQ6_K:
      return integer_matrix<Q6_K>(launcher, args, n_tiles);
    default:
      return;  // the other formats have files of their own
  }
}

}  // namespace da::backend::cuda
