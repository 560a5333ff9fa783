// Products of packed weights with activations; included once by each target, after its simd header.
//
// Both kernels keep one accumulator for each (output, row) pair and add to it in the order of the columns, however many
// rows are taken together: a row's result does not depend on the rows beside it.

namespace da::backend::cpu::DA_CPU_TARGET {

// --- float weights: [group][n_in][lanes] ---------------------------------------------------------------------------

struct F32Codes {
  static constexpr int kBytes = 4;
  static inline VecF get(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
};
struct F16Codes {
  static constexpr int kBytes = 2;
  static inline VecF get(const uint8_t* p) { return load_half(reinterpret_cast<const uint16_t*>(p)); }
};
struct BF16Codes {
  static constexpr int kBytes = 2;
  static inline VecF get(const uint8_t* p) { return load_bf16(reinterpret_cast<const uint16_t*>(p)); }
};

static inline void finish(const LinearJob& job, int64_t group, int64_t row, VecF value) {
  float* out = job.out + row * job.out_stride + group * kLanes;
  if (job.bias != nullptr) value = add(value, load(job.bias + group * kLanes));
  if (job.scale != 1.0F) value = mul(value, set1(job.scale));
  if (job.accumulate) value = add(load(out), value);
  store(out, value);
}

// kGroups groups by kRows rows of input.
template <class Codes, int kGroups, int kRows>
static void float_tile(const LinearJob& job, int64_t group, int64_t row) {
  const uint8_t* codes = job.codes + group * job.codes_stride_bytes;
  const float* input = job.input + row * job.input_stride;
  VecF acc[kGroups][kRows];
  for (int g = 0; g < kGroups; ++g) {
    for (int r = 0; r < kRows; ++r) acc[g][r] = zero();
  }
  for (int64_t k = 0; k < job.n_in; ++k) {
    VecF w[kGroups];
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g)
      w[g] = Codes::get(codes + g * job.codes_stride_bytes + k * (kLanes * Codes::kBytes));
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const VecF x = set1(input[r * job.input_stride + k]);
#pragma GCC unroll 8
      for (int g = 0; g < kGroups; ++g) acc[g][r] = fma(w[g], x, acc[g][r]);
    }
  }
  for (int g = 0; g < kGroups; ++g) {
    for (int r = 0; r < kRows; ++r) finish(job, group + g, row + r, acc[g][r]);
  }
}

template <class Codes, int kRows>
static void float_rows(const LinearJob& job, int64_t group_begin, int64_t group_end, int64_t row) {
  constexpr int kGroups = 4 * kRows <= kRegisters / 2 ? 4 : 2;
  int64_t group = group_begin;
  for (; group + kGroups <= group_end; group += kGroups) float_tile<Codes, kGroups, kRows>(job, group, row);
  for (; group < group_end; ++group) float_tile<Codes, 1, kRows>(job, group, row);
}

template <class Codes>
static void linear_float(const LinearJob& job, int64_t group_begin, int64_t group_end) {
  constexpr int kRows = kRegisters == 32 ? 8 : 4;
  // A few groups stay in the second-level cache while all rows pass over them.
  for (int64_t begin = group_begin; begin < group_end; begin += 4) {
    const int64_t end = begin + 4 < group_end ? begin + 4 : group_end;
    int64_t row = 0;
    for (; row + kRows <= job.n_rows; row += kRows) float_rows<Codes, kRows>(job, begin, end, row);
    for (; row + 2 <= job.n_rows; row += 2) float_rows<Codes, 2>(job, begin, end, row);
    for (; row < job.n_rows; ++row) float_rows<Codes, 1>(job, begin, end, row);
  }
}

// --- integer weights -----------------------------------------------------------------------------------------------

// What the scale of the outermost blocks is; kFloat: one for each sub-block, and no other.
enum class Scale { kHalf, kBrain, kFloat };
enum class Table { kNone, kIq4, kFp4 };

// kBits: of a code. kZeroShift: the zero point is 1 << kZeroShift, -1: none. kSub: columns that share a scale.
template <int kBitsT, int kZeroShiftT, int kSubT, bool kScalesT, bool kMinT, Table kTableT = Table::kNone,
          Scale kScaleT = Scale::kHalf>
struct Integer {
  static constexpr int kBits = kBitsT, kZeroShift = kZeroShiftT, kSub = kSubT;
  static constexpr bool kScales = kScalesT, kMin = kMinT;
  static constexpr Table kTable = kTableT;
  static constexpr Scale kScale = kScaleT;
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

template <class F, int kVector, int kRows>
static inline void dot_step(const uint8_t* codes, const QuantBlock* const* x, int64_t block, VecI* sums) {
  const VecB w = code_vector<F, kVector>(codes);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const int8_t* a = x[r][block].codes + 4 * kVector;
    sums[r] = F::kSigned ? dot4_signed(sums[r], w, a) : dot4(sums[r], w, a);
  }
}

// Half (or all) of a 32-column block: integer products, then scale and minimum.
template <class F, int kHalf, int kRows>
static inline void sub_block(const uint8_t* codes, VecF scale, VecF min, const QuantBlock* const* x, int64_t block,
                             VecF* acc) {
  VecI sums[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    if constexpr (F::kZeroShift < 0 || F::kSigned) {
      sums[r] = zero_i();
    } else {
      const QuantBlock& b = x[r][block];
      sums[r] = set1_shifted<F::kZeroShift>(F::kSub == 16 ? b.negative_sum16[kHalf] : b.negative_sum);
    }
  }
  constexpr int kFirst = kHalf * 4;
  dot_step<F, kFirst + 0, kRows>(codes, x, block, sums);
  dot_step<F, kFirst + 1, kRows>(codes, x, block, sums);
  dot_step<F, kFirst + 2, kRows>(codes, x, block, sums);
  dot_step<F, kFirst + 3, kRows>(codes, x, block, sums);
  if constexpr (F::kSub == 32) {
    dot_step<F, 4, kRows>(codes, x, block, sums);
    dot_step<F, 5, kRows>(codes, x, block, sums);
    dot_step<F, 6, kRows>(codes, x, block, sums);
    dot_step<F, 7, kRows>(codes, x, block, sums);
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const QuantBlock& b = x[r][block];
    acc[r] = fma(mul(to_float(sums[r]), scale), set1(b.scale), acc[r]);
    if constexpr (F::kMin) {
      acc[r] = fma(min, set1(F::kSub == 16 ? b.negative_value_sum16[kHalf] : b.negative_value_sum), acc[r]);
    }
  }
}

// A group against kRows rows. Scales in memory: d [lanes] (and d_min [lanes]) as float16 (or bfloat16); with integer
// scales these are followed, for each sub-block of the 256 columns, by scale [lanes] (and minimum [lanes]) as bytes.
// Float scales: [lanes] for each sub-block, nothing else.
template <class F, int kRows>
static void integer_tile(const LinearJob& job, int64_t group, int64_t row) {
  constexpr int kBlocks = F::kScales ? 8 : 1;
  constexpr int kHalves = 32 / F::kSub;
  constexpr int kCodeBytes = F::kBits * 4 * kLanes;  // of a 32-column block
  constexpr int kOuterBytes = F::kScale == Scale::kFloat ? 0 : (F::kMin ? 4 : 2) * kLanes;
  constexpr int kSubBytes = F::kScales ? (F::kMin ? 2 : 1) * kLanes : F::kScale == Scale::kFloat ? 4 * kLanes : 0;
  const uint8_t* codes = job.codes + group * job.codes_stride_bytes;
  const uint8_t* scales = job.scales + group * job.scales_stride_bytes;
  const QuantBlock* x[kRows];
  VecF acc[kRows];
  for (int r = 0; r < kRows; ++r) {
    x[r] = job.quantized + (row + r) * job.quantized_stride;
    acc[r] = zero();
  }
  const int64_t n_blocks = job.n_in / 32;
  for (int64_t block = 0; block < n_blocks;) {
    VecF d = zero();
    if constexpr (F::kScale == Scale::kHalf) d = load_half(reinterpret_cast<const uint16_t*>(scales));
    if constexpr (F::kScale == Scale::kBrain) d = load_bf16(reinterpret_cast<const uint16_t*>(scales));
    const VecF d_min = F::kMin ? load_half(reinterpret_cast<const uint16_t*>(scales + 2 * kLanes)) : zero();
    scales += kOuterBytes;
    for (int b = 0; b < kBlocks; ++b, ++block, codes += kCodeBytes) {
      VecF scale = d, min = d_min;
      if constexpr (F::kScales) {
        scale = mul(d, load_i8(scales));
        if constexpr (F::kMin) min = mul(d_min, load_u8(scales + kLanes));
      }
      if constexpr (F::kScale == Scale::kFloat) scale = load(reinterpret_cast<const float*>(scales));
      scales += kSubBytes;
      sub_block<F, 0, kRows>(codes, scale, min, x, block, acc);
      if constexpr (kHalves == 2) {
        if constexpr (F::kScales) scale = mul(d, load_i8(scales));
        if constexpr (F::kScale == Scale::kFloat) scale = load(reinterpret_cast<const float*>(scales));
        if constexpr (F::kMin) min = mul(d_min, load_u8(scales + kLanes));
        scales += kSubBytes;
        sub_block<F, 1, kRows>(codes, scale, min, x, block, acc);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) finish(job, group, row + r, acc[r]);
}

template <class F>
static void linear_integer(const LinearJob& job, int64_t group_begin, int64_t group_end) {
  constexpr int kRows = kRegisters == 32 ? 8 : 4;
  // Rows in blocks whose quantized form stays in the second-level cache while all groups pass over it.
  const int64_t rows_cached =
      (int64_t{1} << 20) / (job.quantized_stride * static_cast<int64_t>(sizeof(QuantBlock))) / kRows * kRows;
  const int64_t row_block = rows_cached < kRows ? kRows : rows_cached;
  for (int64_t row_begin = 0; row_begin < job.n_rows; row_begin += row_block) {
    const int64_t row_end = row_begin + row_block < job.n_rows ? row_begin + row_block : job.n_rows;
    for (int64_t group = group_begin; group < group_end; ++group) {
      int64_t row = row_begin;
      for (; row + kRows <= row_end; row += kRows) integer_tile<F, kRows>(job, group, row);
      if (kRows == 8 && row + 4 <= row_end) {
        integer_tile<F, 4>(job, group, row);
        row += 4;
      }
      if (row + 2 <= row_end) {
        integer_tile<F, 2>(job, group, row);
        row += 2;
      }
      if (row < row_end) integer_tile<F, 1>(job, group, row);
    }
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

}  // namespace da::backend::cpu::DA_CPU_TARGET
