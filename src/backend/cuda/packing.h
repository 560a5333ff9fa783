#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/arguments.h"
#include "backend/cuda/kernels.h"
#include "backend/cuda/memory.h"
#include "gguf/gguf.h"

namespace da::backend::cuda {

// How a matrix lies on the device: planes one after the other, each row-major over all rows (of all parts), so that the
// lanes of a warp read consecutive bytes.
//  - Float formats: one plane, rows padded with zeros to whole 16 bytes.
//  - Integer formats: the low bits of the codes, the high bits (device/formats.cuh says how), the integer scales of the
//    sub-blocks (scale, minimum, scale, ...), and the float16 scales (and minimums) of the blocks.
// Types without kernels of their own are widened to F16, or BF16 where that is exact.
struct Packing {
  PackedFormat format = PackedFormat::kF32;
  int64_t row_stride = 0;                                                // float formats: elements
  uint64_t low_bytes = 0, high_bytes = 0, scale_bytes = 0, d_bytes = 0;  // of a row

  bool is_integer() const { return format >= PackedFormat::kQ4_0; }
  uint64_t row_bytes() const { return low_bytes + high_bytes + scale_bytes + d_bytes; }
};

// Error: kUnsupported names the type.
Result<Packing> packing_of(gguf::TensorType type, int64_t n_in);

// Bytes of a plane of `n_rows` rows: the next one begins at a multiple of 256.
uint64_t plane_bytes(uint64_t row_bytes, int64_t n_rows);
// What a matrix takes on the device; the planner's number too.
uint64_t packed_bytes(const Packing& packing, int64_t n_rows);

// One row's planes, each to its place.
struct RowPlanes {
  uint8_t *low, *high, *scales, *d;
};
// Packs one row of n_in values. Error: kUnsupported if a value does not fit the widened form.
Status pack_row(gguf::TensorType type, const Packing& packing, const std::byte* row, int64_t n_in,
                const RowPlanes& out);

class CudaWeight : public Weight {
 public:
  bool wants_quantized() const { return packed && packing.is_integer(); }
  // The weight's fields of a product's arguments.
  LinearArgs args() const;

  Packing packing;
  DeviceMemory memory;
  uint64_t high_offset_bytes = 0, scales_offset_bytes = 0, d_offset_bytes = 0;
  bool packed = false;              // false: only rows are looked up
  std::span<const std::byte> rows;  // the GGUF tensor, for look-ups; empty if not wanted
};

}  // namespace da::backend::cuda
