#include "backend/cpu/packing.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "quant/blocks.h"
#include "quant/coded_blocks.h"
#include "quant/finite.h"
#include "quant/quant.h"

namespace da::backend::cpu {
namespace {

using gguf::TensorType;

int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

Status unsupported(TensorType type) {
  return {ErrorCode::kUnsupported, "no product for tensor type " + std::string(gguf::tensor_type_info(type).name)};
}

Result<PackedFormat> packed_format(TensorType type) {
  switch (type) {
    case TensorType::kF16:
      return PackedFormat::kF16;
    case TensorType::kBF16:
      return PackedFormat::kBF16;
    case TensorType::kQ4_0:
      return PackedFormat::kQ4_0;
    case TensorType::kQ4_1:
      return PackedFormat::kQ4_1;
    case TensorType::kQ5_0:
      return PackedFormat::kQ5_0;
    case TensorType::kQ5_1:
      return PackedFormat::kQ5_1;
    case TensorType::kQ8_0:
      return PackedFormat::kQ8_0;
    case TensorType::kQ2_K:
      return PackedFormat::kQ2_K;
    case TensorType::kQ3_K:
      return PackedFormat::kQ3_K;
    case TensorType::kQ4_K:
      return PackedFormat::kQ4_K;
    case TensorType::kQ5_K:
      return PackedFormat::kQ5_K;
    case TensorType::kQ6_K:
      return PackedFormat::kQ6_K;
    case TensorType::kIQ4_NL:
      return PackedFormat::kIQ4_NL;
    case TensorType::kIQ4_XS:
      return PackedFormat::kIQ4_XS;
    case TensorType::kMXFP4:
      return PackedFormat::kMXFP4;
    default:
      break;  // the enum is the file format's
  }
  if (quant::is_coded(type)) return PackedFormat::kCoded;
  if (quant::can_dequantize(type)) return PackedFormat::kF32;
  return unsupported(type);
}

// Bytes of scales for each `values_per_block` columns of a group.
int64_t scale_bytes_per_block(const quant::IntegerFormat& format, int lanes) {
  int64_t bytes = (format.has_min ? 4 : 2) * lanes;
  if (format.has_scales) bytes += format.values_per_block / format.sub_block * (format.has_min ? 2 : 1) * lanes;
  return bytes;
}

// Bits [first, first + kBits) of each of the 32 codes, kBits * kWords = 8 of them to a byte: word v of each run of
// kWords words at bit kBits * v. Words come in pairs; both of a pair are shifted at once.
template <int kBits, int kWords>
uint32_t plane(const uint64_t* pairs, int first) {
  constexpr uint64_t kMask = (uint64_t{0x0101010101010101} << kBits) - uint64_t{0x0101010101010101};
  uint64_t both = 0;
  for (int i = 0; i < kWords / 2; ++i) both |= (pairs[i] >> first & kMask) << (2 * kBits * i);
  return static_cast<uint32_t>(both) | static_cast<uint32_t>(both >> 32) << kBits;
}

// The 32 codes of one row, as 4 pairs of words (word v: columns 4v .. 4v+3), split into bit planes. `out` is this row's
// lane of the block's first vector; vectors are `lanes` words apart.
template <int kBits>
void store_codes(const uint64_t* pairs, int lanes, uint32_t* out) {
  if constexpr (kBits == 8) {
    for (int i = 0; i < 4; ++i) {
      out[2 * i * lanes] = static_cast<uint32_t>(pairs[i]);
      out[(2 * i + 1) * lanes] = static_cast<uint32_t>(pairs[i] >> 32);
    }
  } else if constexpr (kBits >= 4) {
    for (int i = 0; i < 4; ++i) out[i * lanes] = plane<4, 2>(pairs + i, 0);
    out += 4 * lanes;
  } else {
    for (int i = 0; i < 2; ++i) out[i * lanes] = plane<2, 4>(pairs + 2 * i, 0);
    out += 2 * lanes;
  }
  if constexpr (kBits == 3 || kBits == 5) *out = plane<1, 8>(pairs, kBits - 1);
  if constexpr (kBits == 6) {
    for (int i = 0; i < 2; ++i) out[i * lanes] = plane<2, 4>(pairs + 2 * i, 4);
  }
}

// True for a float16, or bfloat16, that is a number.
bool is_number(uint16_t bits, bool brain) {
  const int exponent = brain ? 0x7F80 : 0x7C00;
  return (bits & exponent) != exponent;
}

// One row of an integer format into lane `lane` of its group. False if a scale of it is not a finite number.
template <int kBits>
bool pack_integer_row(const quant::IntegerFormat& format, const std::byte* row, int64_t n_in, bool signed_q8, int lanes,
                      int lane, uint8_t* codes, uint8_t* scales) {
  const uint64_t block_bytes = gguf::tensor_type_info(format.type).bytes_per_block;
  const int64_t scale_bytes = scale_bytes_per_block(format, lanes);
  const uint64_t flip = kBits == 8 && signed_q8 ? 0x8080808080808080 : 0;
  const int n_sub_blocks = format.has_scales ? format.values_per_block / format.sub_block : 0;
  bool finite = true;
  quant::IntegerBlock block;
  for (int64_t column = 0; column < n_in;
       column += format.values_per_block, row += block_bytes, scales += scale_bytes) {
    quant::unpack_block(format.type, row, block);
    for (int begin = 0; begin < format.values_per_block; begin += 32, codes += kBits * 4 * lanes) {
      uint64_t pairs[4];
      std::memcpy(pairs, block.codes + begin, sizeof(pairs));
      for (uint64_t& pair : pairs) pair ^= flip;
      store_codes<kBits>(pairs, lanes, reinterpret_cast<uint32_t*>(codes) + lane);
    }
    finite = finite && is_number(block.d, format.brain_scale) && is_number(block.d_min, false);
    std::memcpy(scales + 2 * lane, &block.d, 2);
    if (format.has_min) std::memcpy(scales + 2 * lanes + 2 * lane, &block.d_min, 2);
    uint8_t* sub = scales + (format.has_min ? 4 : 2) * lanes + lane;
    for (int j = 0; j < n_sub_blocks; ++j) {
      *sub = static_cast<uint8_t>(block.scales[j]);
      sub += lanes;
      if (!format.has_min) continue;
      *sub = block.mins[j];
      sub += lanes;
    }
  }
  return finite;
}

using PackRow = bool (*)(const quant::IntegerFormat& format, const std::byte* row, int64_t n_in, bool signed_q8,
                         int lanes, int lane, uint8_t* codes, uint8_t* scales);
PackRow integer_packer(int code_bits) {
  switch (code_bits) {
    case 2:
      return pack_integer_row<2>;
    case 3:
      return pack_integer_row<3>;
    case 4:
      return pack_integer_row<4>;
    case 5:
      return pack_integer_row<5>;
    case 6:
      return pack_integer_row<6>;
    default:
      return pack_integer_row<8>;
  }
}

int64_t row_bytes_of(TensorType type, int64_t n_in) {
  const auto& info = gguf::tensor_type_info(type);
  return n_in / info.values_per_block * info.bytes_per_block;
}

template <class Element>
void interleave(const Element* row, int64_t n_in, int lanes, int lane, uint8_t* codes) {
  auto* out = reinterpret_cast<Element*>(codes) + lane;
  for (int64_t k = 0; k < n_in; ++k) out[k * lanes] = row[k];
}

void pack_float_row(const PackedWeight& weight, const std::byte* row, int lane, uint8_t* codes) {
  const int64_t n_in = weight.n_in;
  const int lanes = weight.lanes;
  if (weight.format == PackedFormat::kF32) {
    std::vector<float> values(static_cast<size_t>(n_in));
    // Cannot fail: packed_format asked can_dequantize.
    if (!quant::dequantize(weight.type, row, values.data(), values.size()).is_ok()) return;
    interleave(values.data(), n_in, lanes, lane, codes);
  } else {
    std::vector<uint16_t> values(static_cast<size_t>(n_in));
    std::memcpy(values.data(), row, values.size() * 2);
    interleave(values.data(), n_in, lanes, lane, codes);
  }
}

}  // namespace

void unpack_coded_tile(const CodedTile& tile) {
  const auto type = static_cast<TensorType>(tile.type);
  const auto& info = gguf::tensor_type_info(type);
  const int64_t row_bytes = row_bytes_of(type, tile.n_in), skipped_bytes = row_bytes_of(type, tile.first_column);
  const uint32_t flip = tile.signed_q8 ? 0 : 0x80808080;
  quant::CodedBlock block;
  for (int lane = 0; lane < tile.lanes; ++lane) {
    const auto* from = reinterpret_cast<const std::byte*>(tile.rows + lane * row_bytes + skipped_bytes);
    uint8_t* codes = tile.codes + 4 * lane;
    float* scales = tile.scales + lane;
    for (int64_t column = 0; column < tile.n_columns; column += info.values_per_block, from += info.bytes_per_block) {
      quant::unpack_coded(type, from, block);
      for (uint32_t i = 0; i < info.values_per_block; i += 4, codes += tile.codes_step) {
        uint32_t word;
        std::memcpy(&word, block.codes + i, sizeof(word));
        word ^= flip;
        std::memcpy(codes, &word, sizeof(word));
      }
      for (uint32_t i = 0; i < info.values_per_block / 16; ++i, scales += tile.scales_step) *scales = block.scales[i];
    }
  }
}

Result<PackedSize> packed_size(TensorType type, int64_t n_out, int64_t n_in, int lanes) {
  DA_ASSIGN_OR_RETURN(const PackedFormat format, packed_format(type));
  PackedSize size{format, 0, 0, 0};
  if (format == PackedFormat::kCoded) {
    size.codes_stride_bytes = row_bytes_of(type, n_in) * lanes;
  } else if (format < PackedFormat::kQ4_0) {
    size.codes_stride_bytes = n_in * lanes * (format == PackedFormat::kF32 ? 4 : 2);
  } else {
    const quant::IntegerFormat& integer = *quant::integer_format(type);
    size.codes_stride_bytes = n_in / 32 * integer.code_bits * 4 * lanes;
    size.scales_stride_bytes = n_in / integer.values_per_block * scale_bytes_per_block(integer, lanes);
  }
  size.codes_stride_bytes = round_up(size.codes_stride_bytes, 64);
  const int64_t n_groups = (n_out + lanes - 1) / lanes;
  // The last vector of scales is loaded 16 bytes wide whatever is left of it.
  size.total_bytes =
      static_cast<uint64_t>(round_up(n_groups * (size.codes_stride_bytes + size.scales_stride_bytes) + 64, 64));
  return size;
}

bool pack_group(const KernelTable& kernels, const PackedWeight& weight, std::span<const std::byte> tensor, int64_t part,
                int64_t group, uint8_t* codes, uint8_t* scales) {
  const int64_t row_bytes = row_bytes_of(weight.type, weight.n_in), first_row = group * weight.lanes;
  const int64_t n_rows = std::min<int64_t>(weight.lanes, weight.n_out - first_row);
  const std::byte* rows = tensor.data() + (part * weight.n_out + first_row) * row_bytes;
  const bool coded = weight.format == PackedFormat::kCoded,
             integer = (weight.wants_blocks() || weight.wants_long_blocks()) && !coded;
  const bool widened = weight.format == PackedFormat::kF32 && weight.type != TensorType::kF32;
  if (n_rows == weight.lanes && row_bytes * weight.lanes < INT32_MAX && !widened &&
      kernels.pack_group(weight.format, {.rows = reinterpret_cast<const uint8_t*>(rows),
                                         .row_bytes = row_bytes,
                                         .n_in = weight.n_in,
                                         .codes = codes,
                                         .scales = scales})) {
    return quant::is_finite(weight.type, rows, static_cast<size_t>(weight.n_in * n_rows));
  }
  bool finite = true;
  for (int lane = 0; lane < n_rows; ++lane, rows += row_bytes) {
    if (integer) {
      const quant::IntegerFormat& format = *quant::integer_format(weight.type);
      const PackRow pack_row = integer_packer(format.code_bits);
      finite &= pack_row(format, rows, weight.n_in, kernels.signed_q8, weight.lanes, lane, codes, scales);
      continue;
    }
    finite &= quant::is_finite(weight.type, rows, static_cast<size_t>(weight.n_in));
    if (coded) {
      std::memcpy(codes + lane * row_bytes, rows, static_cast<size_t>(row_bytes));
    } else {
      pack_float_row(weight, rows, lane, codes);
    }
  }
  return finite;
}

std::pair<int64_t, int64_t> node_share(const CpuTopology& topology, const PackedWeight& weight, int node) {
  constexpr int64_t kStep = 8;  // what a thread takes at a time
  return topology.share(weight.n_groups(), kStep, node);
}

Result<std::unique_ptr<PackedWeight>> pack_weight(const gguf::Tensor& tensor, WeightUse use, const KernelTable& kernels,
                                                  const CpuTopology& topology, ThreadPool& pool, Arena* arena) {
  const auto& info = gguf::tensor_type_info(tensor.type);
  const auto n_in = static_cast<int64_t>(tensor.dims[0]), n_out = static_cast<int64_t>(tensor.dims[1]);
  const auto n_parts = static_cast<int64_t>(tensor.dims[2]);
  if (tensor.data.size() != tensor.size_bytes || tensor.data.empty()) {
    return {ErrorCode::kInvalidArgument, "tensor " + tensor.name + ": opened without its data"};
  }
  if (!quant::can_dequantize(tensor.type)) return unsupported(tensor.type).with_context("tensor " + tensor.name);
  if (tensor.n_dims > 3 || n_in % info.values_per_block != 0) {
    return {ErrorCode::kCorruptData,
            "tensor " + tensor.name + ": not matrices of whole " + std::string(info.name) + " blocks"};
  }
  auto weight = std::make_unique<PackedWeight>();
  weight->n_in = n_in;
  weight->n_out = n_out;
  weight->n_parts = n_parts;
  weight->type = tensor.type;
  weight->lanes = kernels.lanes;
  if (use.rows) weight->rows = tensor.data;
  if (!use.product) return weight;

  auto size = packed_size(tensor.type, n_out, n_in, kernels.lanes);
  if (!size.is_ok()) return size.status().with_context("tensor " + tensor.name);
  weight->packed = true;
  weight->format = size->format;
  weight->codes_stride_bytes = size->codes_stride_bytes;
  weight->scales_stride_bytes = size->scales_stride_bytes;
  weight->scales_offset_bytes = weight->n_groups() * size->codes_stride_bytes;
  weight->part_stride_bytes = static_cast<int64_t>(size->total_bytes);
  if (arena != nullptr) {
    DA_ASSIGN_OR_RETURN(weight->memory, arena->allocate(size->total_bytes * tensor.dims[2], "packed weights"));
    weight->size_bytes = weight->memory.size();
  } else {
    weight->mapped = tensor.data;
  }

  std::atomic<int64_t> bad_row{-1};
  const int64_t row_bytes = row_bytes_of(tensor.type, n_in);
  const auto pack = [&](int64_t part, int64_t group) {
    const int64_t first_row = group * weight->lanes, n_rows = std::min<int64_t>(weight->lanes, n_out - first_row);
    bool finite = true;
    if (arena != nullptr) {
      uint8_t* base = weight->memory.data() + part * weight->part_stride_bytes;
      finite = pack_group(kernels, *weight, tensor.data, part, group, base + group * size->codes_stride_bytes,
                          base + weight->scales_offset_bytes + group * size->scales_stride_bytes);
    } else {
      finite = quant::is_finite(tensor.type, tensor.data.data() + (part * n_out + first_row) * row_bytes,
                                static_cast<size_t>(n_in * n_rows));
    }
    if (!finite) bad_row = part * n_out + first_row;
  };
  // A page of memory belongs to the node of the thread that writes to it first. Threads side by side in one new huge
  // page would each clear one, and all but the first in vain: they take about a page's worth at a time, in equal parts.
  constexpr int64_t kHugePageBytes = 2 << 20;
  const int64_t n_groups = n_parts * weight->n_groups(), n_threads = pool.n_threads();
  const int64_t turns = std::max<int64_t>(1, n_groups * size->codes_stride_bytes / (n_threads * kHugePageBytes));
  NodeQueue queue((n_groups + turns * n_threads - 1) / (turns * n_threads));
  for (int node = 0; node < topology.n_nodes(); ++node) {
    const auto [first, last] = node_share(topology, *weight, node);
    queue.add_node(n_parts * (last - first));
  }
  pool.run_available([&](int) {
    const int own_node = topology.current_node();
    while (const auto chunk = queue.take(own_node)) {
      const auto [first, last] = node_share(topology, *weight, chunk->node);
      for (int64_t i = chunk->begin; i < chunk->end; ++i) pack(i / (last - first), first + i % (last - first));
    }
  });
  if (bad_row >= 0) {
    return {ErrorCode::kCorruptData, "tensor " + tensor.name + " row " + std::to_string(bad_row.load()) +
                                         " or one after it holds a weight or scale that is not a finite number"};
  }
  return weight;
}

}  // namespace da::backend::cpu
