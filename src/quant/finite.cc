#include "quant/finite.h"

#include <cstdint>
#include <cstring>
#include <string>

#include "quant/quant.h"

namespace da::quant {
namespace {

using gguf::TensorType;

uint16_t read_u16(const std::byte* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

bool half_is_finite(uint16_t bits) { return (bits & 0x7C00) != 0x7C00; }

// Floats whose exponent is the bits kExponent, of which kLowest is the lowest. Adding it to an exponent of ones carries
// into the sign's place: no branches, for whole weights pass here while a model loads.
template <class Bits, Bits kExponent, Bits kLowest>
bool floats_are_finite(const std::byte* data, size_t n_values) {
  constexpr auto kSign = static_cast<Bits>(kExponent + kLowest);
  Bits carries = 0;
  for (size_t i = 0; i < n_values; ++i) {
    Bits bits;
    std::memcpy(&bits, data + i * sizeof(bits), sizeof(bits));
    carries |= static_cast<Bits>((bits & kExponent) + kLowest);
  }
  return (carries & kSign) == 0;
}

// Where a block format keeps its float16 scales; -1: no more.
struct HalfOffsets {
  int first = -1, second = -1;
};

HalfOffsets half_offsets(TensorType type) {
  switch (type) {
    case TensorType::kQ4_1:
    case TensorType::kQ5_1:
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
      return {0, 2};
    case TensorType::kQ2_K:
      return {80, 82};
    case TensorType::kQ3_K:
      return {108};
    case TensorType::kQ6_K:
      return {208};
    case TensorType::kTQ1_0:
      return {52};
    case TensorType::kTQ2_0:
      return {64};
    case TensorType::kMXFP4:
    case TensorType::kNVFP4:
      return {};  // every bit pattern of their scales is a number
    default:
      return {0};  // d comes first
  }
}

// IQ1_M spreads the four quarters of its float16 over the top bits of four words.
bool iq1_m_is_finite(const std::byte* block) {
  return half_is_finite(static_cast<uint16_t>((read_u16(block + 54) & 0xF000) | read_u16(block + 52) >> 12 << 8));
}

}  // namespace

bool is_finite(TensorType type, const std::byte* data, size_t n_values) {
  const gguf::TensorTypeInfo& info = gguf::tensor_type_info(type);
  bool finite = true;
  switch (type) {
    case TensorType::kF32:
      return floats_are_finite<uint32_t, 0x7F800000, 0x00800000>(data, n_values);
    case TensorType::kF64:
      return floats_are_finite<uint64_t, 0x7FF0000000000000, 0x0010000000000000>(data, n_values);
    case TensorType::kF16:
      return floats_are_finite<uint16_t, 0x7C00, 0x0400>(data, n_values);
    case TensorType::kBF16:
      return floats_are_finite<uint16_t, 0x7F80, 0x0080>(data, n_values);
    default:
      break;  // blocks and integers
  }
  if (info.values_per_block == 1) return true;
  const HalfOffsets offsets = half_offsets(type);
  for (size_t i = 0; i < n_values / info.values_per_block; ++i, data += info.bytes_per_block) {
    if (type == TensorType::kIQ1_M) {
      finite = finite && iq1_m_is_finite(data);
    } else if (type == TensorType::kQ8_K) {
      finite = finite && is_finite(TensorType::kF32, data, 1);
    } else {
      if (offsets.first >= 0) finite = finite && half_is_finite(read_u16(data + offsets.first));
      if (offsets.second >= 0) finite = finite && half_is_finite(read_u16(data + offsets.second));
    }
  }
  return finite;
}

Status check_vectors(const gguf::File& file) {
  for (const gguf::Tensor& tensor : file.tensors()) {
    if (tensor.n_values() != tensor.dims[0] || tensor.data.size() != tensor.size_bytes) continue;
    if (is_finite(tensor.type, tensor.data.data(), tensor.n_values())) continue;
    return {ErrorCode::kCorruptData,
            "read " + file.name() + ": tensor " + tensor.name + " holds values that are not finite numbers"};
  }
  return Status::ok();
}

}  // namespace da::quant
