// Integer weights as the products see them; included once by each target, after its simd header.

namespace da::backend::cpu::DA_CPU_TARGET {

// What the scale of the outermost blocks is.
enum class Scale { kHalf, kBrain };
enum class Table { kNone, kIq4, kFp4 };

// kBits: of a code. kZeroShift: the zero point is 1 << kZeroShift, -1: none. kSub: columns that share a scale.
template <int kBitsT, int kZeroShiftT, int kSubT, bool kScalesT, bool kMinT, Table kTableT = Table::kNone,
          Scale kScaleT = Scale::kHalf>
struct Integer {
  static constexpr int kBits = kBitsT, kZeroShift = kZeroShiftT, kSub = kSubT;
  static constexpr bool kScales = kScalesT, kMin = kMinT;
  static constexpr Table kTable = kTableT;
  static constexpr Scale kScale = kScaleT;
  static constexpr bool kLong = kScales;  // blocks of 256 columns, for activations in long blocks
  // Sums of codes this small would drown in the rounding of a bias they shared.
  static constexpr bool kOwnBias = kBits <= 3;
  static constexpr bool kSigned = (kBits == 8 || kTable != Table::kNone) && kSignedQ8;
};

// What 4-bit codes stand for, signed where the products take signed codes, else 128 more (kZeroShift 7).
struct CodeTable {
  alignas(16) uint8_t values[16];
};
static constexpr CodeTable code_table(const int (&values)[16]) {
  CodeTable table{};
  for (int i = 0; i < 16; ++i) table.values[i] = static_cast<uint8_t>(values[i] + (kSignedQ8 ? 0 : 128));
  return table;
}
static constexpr CodeTable kIq4Table =
    code_table({-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113});
static constexpr CodeTable kFp4Table = code_table({0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12});

// Code vector kVector of a 32-column block. Planes in memory, each vector 4 * kLanes bytes: first the low bits (8, 4 or
// 2 to a code), then the high bits (3 = 2 + 1, 5 = 4 + 1, 6 = 4 + 2).
template <class F, int kVector>
static inline VecB code_vector(const uint8_t* p) {
  constexpr int kBytes = 4 * kLanes;
  if constexpr (F::kBits == 8) {
    return load_bytes(p + kVector * kBytes);
  } else if constexpr (F::kBits <= 3) {
    const VecB low = shift_mask<2 * (kVector % 4), 3>(load_bytes(p + kVector / 4 * kBytes));
    if constexpr (F::kBits == 2) return low;
    return or_bytes(low, shift_mask<kVector - 2, 4>(load_bytes(p + 2 * kBytes)));
  } else {
    const VecB low = shift_mask<4 * (kVector % 2), 15>(load_bytes(p + kVector / 2 * kBytes));
    if constexpr (F::kTable != Table::kNone)
      return look_up16(F::kTable == Table::kIq4 ? kIq4Table.values : kFp4Table.values, low);
    if constexpr (F::kBits == 4) return low;
    if constexpr (F::kBits == 5) return or_bytes(low, shift_mask<kVector - 4, 16>(load_bytes(p + 4 * kBytes)));
    return or_bytes(low, shift_mask<2 * (kVector % 4) - 4, 48>(load_bytes(p + (4 + kVector / 4) * kBytes)));
  }
}

//                        bits, zero, sub, scales, min
using Q4_0 = Integer<4, 3, 32, false, false>;
using Q4_1 = Integer<4, -1, 32, false, true>;
using Q5_0 = Integer<5, 4, 32, false, false>;
using Q5_1 = Integer<5, -1, 32, false, true>;
using Q8_0 = Integer<8, 7, 32, false, false>;
using Q2_K = Integer<2, -1, 16, true, true>;
using Q3_K = Integer<3, 2, 16, true, false>;
using Q4_K = Integer<4, -1, 32, true, true>;
using Q5_K = Integer<5, -1, 32, true, true>;
using Q6_K = Integer<6, 5, 16, true, false>;
using IQ4_NL = Integer<4, 7, 32, false, false, Table::kIq4>;
using IQ4_XS = Integer<4, 7, 32, true, false, Table::kIq4>;
using MXFP4 = Integer<4, 7, 32, false, false, Table::kFp4, Scale::kBrain>;

// What the products with many rows unpack a format to: bytes of which one meaning is enough for each instruction set.
template <class F>
struct TileCodes {
  static constexpr int kSub = F::kSub;
  static constexpr bool kMin = F::kMin, kSigned = F::kSigned, kLong = F::kLong, kOwnBias = F::kOwnBias;
  // Where products take any unsigned byte, every zero point is raised to 128.
  static constexpr bool kRaised = kAnyUnsigned && F::kZeroShift >= 0 && !kSigned;
  static constexpr int kRaise = kRaised ? 128 - (1 << (F::kZeroShift < 0 ? 0 : F::kZeroShift)) : 0;
  static constexpr int kZeroShift = kSigned ? -1 : kRaised ? 7 : F::kZeroShift;
};

// Walks a group's scales. In memory: d [lanes] (and d_min [lanes]) as float16 (or bfloat16); with integer scales these
// are followed, for each sub-block of the 256 columns, by scale [lanes] (and minimum [lanes]) as bytes.
template <class F>
class ScaleReader {
 public:
  static constexpr int kBlocks = F::kScales ? 8 : 1;  // of 32 columns, between calls of next_block
  explicit ScaleReader(const uint8_t* memory, int64_t first_block = 0) : at_(memory + offset(first_block)) {}
  static constexpr int64_t offset(int64_t block) {
    return block / kBlocks * (kOuterBytes + kSubBytes * kBlocks * (32 / F::kSub));
  }

  inline void next_block() {
    const auto* outer = reinterpret_cast<const uint16_t*>(at_);
    d_ = F::kScale == Scale::kBrain ? load_bf16(outer) : load_half(outer);
    if constexpr (F::kMin) d_min_ = load_half(outer + kLanes);
    at_ += kOuterBytes;
  }
  inline void next_sub_block() {
    scale = d_;
    min = d_min_;
    if constexpr (F::kScales) {
      scale = mul(d_, load_i8(at_));
    }
    at_ += kSubBytes;
  }
  VecF scale = zero(), min = zero();

  // The sub-blocks of the next kLongBlock columns: their scales, two minimums of each pair with the scale of all, and
  // what a chain begins with, which is less the biases to come.
  static constexpr int kSubs = kLongBlock / F::kSub;
  inline void next_long_block() {
    subs_ = at_;
    VecF total = zero();
    for (int i = 0; i < kSubs; ++i) {
      next_sub_block();
      scales[i] = scale;
      total = add(total, scale);
    }
    const VecF n_biases = F::kMin ? sub(d_min_, total) : sub(zero(), total);
    chain_begin = F::kOwnBias ? zero() : mul(n_biases, set1(kChainBiasValue));
  }
  VecB min_pair(int i) const {
    return load_u8_pairs(subs_ + 2 * i * kSubBytes + kLanes, subs_ + (2 * i + 1) * kSubBytes + kLanes);
  }
  VecF negative_min_scale() const { return sub(zero(), d_min_); }
  VecF scales[kSubs], chain_begin = zero();

 private:
  static constexpr int kOuterBytes = (F::kMin ? 4 : 2) * kLanes;
  static constexpr int kSubBytes = F::kScales ? (F::kMin ? 2 : 1) * kLanes : 0;
  const uint8_t* at_;
  const uint8_t* subs_ = nullptr;
  VecF d_ = zero(), d_min_ = zero();
};

// Where the integer sum of a sub-block begins: at kSumBias, less the codes' zero point times the activations' sum.
template <int kZeroShift, int kSub>
static inline VecI first_sum(const QuantBlock& x, int half) {
  if constexpr (kZeroShift < 0) return set1_i(kSumBias);
  const int32_t at128 = kSub == 16 ? x.first_sum16[half] : x.first_sum;
  if constexpr (kZeroShift == 7) return set1_i(at128);
  return set1_i(((at128 - kSumBias) >> (7 - kZeroShift)) + kSumBias);
}

// acc + scale * (activation's scale * sum) + min * -(sum of the activations)
template <bool kMin>
static inline VecF add_sum(VecF acc, VecI sum, VecF scale, VecF min, const QuantBlock& x) {
  acc = fma(scale_sum(sum, x.scale, x.scale_bias), scale, acc);
  if constexpr (kMin) acc = fma(min, set1(x.negative_value_sum), acc);
  return acc;
}

// The same for kLongBlock columns with one scale of the activations. A chain begins with what will take the biases off;
// to it go sums of sub-blocks, biased, times their weight scales, and from it sums of minimums, likewise; it is scaled
// and added up.
template <int kZeroShift, int kSub>
static inline VecI first_sum(const QuantLongBlock& x, int block, int half) {
  if constexpr (kZeroShift < 0) return set1_i(kChainBias);
  const int32_t at128 = kSub == 16 ? x.first_sums16[2 * block + half] : x.first_sums32[block];
  if constexpr (kZeroShift == 7) return set1_i(at128);
  return set1_i(((at128 - kChainBias) >> (7 - kZeroShift)) + kChainBias);
}

template <bool kOwnBias>
static inline VecF add_to_chain(VecF chain, VecI sum, VecF scale) {
  return fma(kOwnBias ? sub(as_float(sum), set1(kChainBiasValue)) : as_float(sum), scale, chain);
}

// The codes' sums that go with min_pair(i).
template <int kSub>
static inline VecB sum_pair(const QuantLongBlock& x, int i) {
  return broadcast4(reinterpret_cast<const int8_t*>(kSub == 16 ? x.sums16 + 2 * i : x.sums32 + 2 * i));
}

// The activations of a block of 32 columns.
static inline const int8_t* codes_of(const QuantBlock* x, int64_t block) { return x[block].codes; }
static inline const int8_t* codes_of(const QuantLongBlock* x, int64_t block) { return x->codes + 32 * block; }

// How far ahead weights are fetched that come from memory: one thread's stream then fills its share of the bandwidth
// (the processor's own prefetching stops at every 4096 bytes, and alone gives a third of it).
constexpr int kPrefetchBytes = 6144;

static inline void finish(const LinearJob& job, int64_t group, int64_t row, VecF value) {
  float* out = job.out + row * job.out_stride + group * kLanes;
  if (job.bias != nullptr) value = add(value, load(job.bias + group * kLanes));
  if (job.scale != 1.0F) value = mul(value, set1(job.scale));
  if (job.accumulate) value = add(load(out), value);
  store(out, value);
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
