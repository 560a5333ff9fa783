#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/memory.h"
#include "base/cpu_topology.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "gguf/gguf.h"

namespace da::backend::cpu {

// A matrix packed for one instruction set: rows in groups of `lanes`, the last one filled up with zero rows. All codes
// come first (each group 64-byte aligned), then all scales; part after part.
class PackedWeight : public Weight {
 public:
  // What its products read beside or instead of floats.
  bool wants_long_blocks() const {
    return (format >= PackedFormat::kQ2_K && format <= PackedFormat::kQ6_K) || format == PackedFormat::kIQ4_XS;
  }
  bool wants_blocks() const { return format >= PackedFormat::kQ4_0 && !wants_long_blocks(); }
  int64_t n_groups() const { return (n_out + lanes - 1) / lanes; }  // of a part
  const uint8_t* codes(int64_t part) const { return memory.data() + part * part_stride_bytes; }
  const uint8_t* scales(int64_t part) const { return codes(part) + scales_offset_bytes; }

  PackedFormat format = PackedFormat::kF32;
  int lanes = 0;
  std::span<uint8_t> memory;  // the arena's
  int64_t codes_stride_bytes = 0, scales_stride_bytes = 0, scales_offset_bytes = 0, part_stride_bytes = 0;
  bool packed = false;  // false: only rows are looked up
  // The GGUF tensor, if groups are packed anew at every product: no memory but the page cache's is taken, for speed.
  std::span<const std::byte> mapped;
  std::span<const std::byte> rows;  // the GGUF tensor, for look-ups; empty if not wanted
};

struct PackedSize {
  PackedFormat format;
  int64_t codes_stride_bytes, scales_stride_bytes;  // of a group
  uint64_t total_bytes;                             // of one part, a multiple of 64
};
// What packing a part takes; the planner's number too. F64 and integers are widened to F32; coded rows stay as they
// are.
Result<PackedSize> packed_size(gguf::TensorType type, int64_t n_out, int64_t n_in, int lanes);

// The groups [first, last) of each part that lie in the memory of `node`, and are read by its threads.
std::pair<int64_t, int64_t> node_share(const CpuTopology& topology, const PackedWeight& weight, int node);

// Reads `tensor` [n_parts][n_out][n_in] and packs it, in parallel, into memory of `arena`, which the weight must not
// outlive. Without an arena it stays where it is (PackedWeight::mapped) and is only checked.
Result<std::unique_ptr<PackedWeight>> pack_weight(const gguf::Tensor& tensor, WeightUse use, const KernelTable& kernels,
                                                  const CpuTopology& topology, ThreadPool& pool, Arena* arena);

// Packs one group of part `part` of a tensor with the weight's shape and type. False if it holds what is not a finite
// number.
bool pack_group(const KernelTable& kernels, const PackedWeight& weight, std::span<const std::byte> tensor, int64_t part,
                int64_t group, uint8_t* codes, uint8_t* scales);

// Columns of a group of coded rows for a product: what LinearJob::unpack is.
void unpack_coded_tile(const CodedTile& tile);

}  // namespace da::backend::cpu
