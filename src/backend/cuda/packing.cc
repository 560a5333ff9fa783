#include "backend/cuda/packing.h"

#include <cmath>
#include <cstring>
#include <string>

#include "quant/blocks.h"
#include "quant/quant.h"

namespace da::backend::cuda {
namespace {

using gguf::TensorType;

constexpr uint64_t kPlaneAlignment = 256;

Result<PackedFormat> packed_format(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return PackedFormat::kF32;
    case TensorType::kBF16:
    case TensorType::kMXFP4:  // exact in it: few digits, any exponent
    case TensorType::kNVFP4:
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
    default:
      break;  // the enum is the file format's
  }
  if (quant::can_dequantize(type)) return PackedFormat::kF16;
  return {ErrorCode::kUnsupported, "no product for tensor type " + std::string(gguf::tensor_type_info(type).name)};
}

uint64_t low_bytes_of_block(int bits) { return bits == 8 ? 32 : (bits >= 4 ? 16 : 8); }
uint64_t high_bytes_of_block(int bits) { return bits == 3 || bits == 5 ? 4 : (bits == 6 ? 8 : 0); }

// The 32 codes of a block as words of 4, into the planes of device/formats.cuh.
void store_codes(int bits, const uint32_t* words, uint32_t* low, uint32_t* high) {
  if (bits == 8) {
    std::memcpy(low, words, 32);
    return;
  }
  if (bits >= 4) {
    for (int i = 0; i < 4; ++i) low[i] = (words[i] & 0x0F0F0F0F) | (words[i + 4] & 0x0F0F0F0F) << 4;
  } else {
    for (int h = 0; h < 2; ++h) {
      low[h] = 0;
      for (int i = 0; i < 4; ++i) low[h] |= (words[4 * h + i] & 0x03030303) << (2 * i);
    }
  }
  if (bits == 3 || bits == 5) {
    *high = 0;
    for (int w = 0; w < 8; ++w) *high |= (words[w] >> (bits - 1) & 0x01010101) << w;
  } else if (bits == 6) {
    for (int h = 0; h < 2; ++h) {
      high[h] = 0;
      for (int i = 0; i < 4; ++i) high[h] |= (words[4 * h + i] >> 4 & 0x03030303) << (2 * i);
    }
  }
}

void pack_integer_row(const quant::IntegerFormat& format, const std::byte* row, int64_t n_in, RowPlanes out) {
  const uint64_t block_bytes = gguf::tensor_type_info(format.type).bytes_per_block;
  const uint64_t low_bytes = low_bytes_of_block(format.code_bits), high_bytes = high_bytes_of_block(format.code_bits);
  const uint32_t flip = format.code_bits == 8 ? 0x80808080 : 0;  // from a zero point of 128 to signed bytes
  quant::IntegerBlock block;
  for (int64_t column = 0; column < n_in; column += format.values_per_block, row += block_bytes) {
    quant::unpack_block(format.type, row, block);
    for (int begin = 0; begin < format.values_per_block; begin += 32, out.low += low_bytes, out.high += high_bytes) {
      uint32_t words[8], low[8], high[2];
      std::memcpy(words, block.codes + begin, sizeof words);
      for (uint32_t& word : words) word ^= flip;
      store_codes(format.code_bits, words, low, high);
      std::memcpy(out.low, low, low_bytes);
      std::memcpy(out.high, high, high_bytes);
    }
    if (format.has_scales) {
      for (int s = 0; s < format.values_per_block / format.sub_block; ++s) {
        *out.scales++ = static_cast<uint8_t>(block.scales[s]);
        if (format.has_min) *out.scales++ = block.mins[s];
      }
    }
    std::memcpy(out.d, &block.d, 2);
    out.d += 2;
    if (!format.has_min) continue;
    std::memcpy(out.d, &block.d_min, 2);
    out.d += 2;
  }
}

}  // namespace

Result<Packing> packing_of(TensorType type, int64_t n_in) {
  Packing packing;
  DA_ASSIGN_OR_RETURN(packing.format, packed_format(type));
  const auto columns = static_cast<uint64_t>(n_in);
  if (!packing.is_integer()) {
    const uint64_t element = packing.format == PackedFormat::kF32 ? 4 : 2;
    packing.low_bytes = (columns * element + 15) / 16 * 16;
    packing.row_stride = static_cast<int64_t>(packing.low_bytes / element);
    return packing;
  }
  const quant::IntegerFormat& format = *quant::integer_format(type);
  packing.low_bytes = columns / 32 * low_bytes_of_block(format.code_bits);
  packing.high_bytes = columns / 32 * high_bytes_of_block(format.code_bits);
  if (format.has_scales)
    packing.scale_bytes = columns / static_cast<uint64_t>(format.sub_block) * (format.has_min ? 2 : 1);
  packing.d_bytes = columns / static_cast<uint64_t>(format.values_per_block) * (format.has_min ? 4 : 2);
  return packing;
}

uint64_t plane_bytes(uint64_t row_bytes, int64_t n_rows) {
  return (row_bytes * static_cast<uint64_t>(n_rows) + kPlaneAlignment - 1) / kPlaneAlignment * kPlaneAlignment;
}

uint64_t packed_bytes(const Packing& packing, int64_t n_rows) {
  return plane_bytes(packing.low_bytes, n_rows) + plane_bytes(packing.high_bytes, n_rows) +
         plane_bytes(packing.scale_bytes, n_rows) + plane_bytes(packing.d_bytes, n_rows);
}

Status pack_row(TensorType type, const Packing& packing, const std::byte* row, int64_t n_in, const RowPlanes& out) {
  if (packing.is_integer()) {
    pack_integer_row(*quant::integer_format(type), row, n_in, out);
    return Status::ok();
  }
  const auto n = static_cast<size_t>(n_in);
  std::memset(out.low, 0, packing.low_bytes);
  if (type == TensorType::kF32 || type == TensorType::kF16 || type == TensorType::kBF16) {
    std::memcpy(out.low, row, n * (type == TensorType::kF32 ? 4 : 2));
    return Status::ok();
  }
  std::vector<float> values(n);
  DA_RETURN_IF_ERROR(quant::dequantize(type, row, values.data(), n));
  auto* halves = reinterpret_cast<uint16_t*>(out.low);
  if (packing.format == PackedFormat::kBF16) {
    for (size_t i = 0; i < n; ++i) halves[i] = quant::float_to_bf16(values[i]);
    return Status::ok();
  }
  for (size_t i = 0; i < n; ++i) {
    halves[i] = quant::float_to_half(values[i]);
    if (std::isfinite(values[i]) && (halves[i] & 0x7C00) == 0x7C00) {
      return {ErrorCode::kUnsupported, "a value of type " + std::string(gguf::tensor_type_info(type).name) +
                                           " is too large for float16 on the GPU"};
    }
  }
  return Status::ok();
}

LinearArgs CudaWeight::args() const {
  LinearArgs out = {};
  out.low = memory.data();
  out.high = memory.data() + high_offset_bytes;
  out.scales = memory.data() + scales_offset_bytes;
  out.d = memory.data() + d_offset_bytes;
  out.n_in = n_in;
  out.n_out = n_out;
  out.weight_stride = packing.row_stride;
  out.rows_per_input = 1;
  out.scale = 1.0F;
  return out;
}

}  // namespace da::backend::cuda
