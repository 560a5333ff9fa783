// Products of float weights, [group][n_in][lanes]; included once by each target, after codes-inl.h.
//
// There is one accumulator for each (output, row) pair, added to in the order of the columns, however many rows are
// taken together: a row's result does not depend on the rows beside it.

namespace da::backend::cpu::DA_CPU_TARGET {

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
#pragma GCC unroll kUnroll
    for (int g = 0; g < kGroups; ++g)
      w[g] = Codes::get(codes + g * job.codes_stride_bytes + k * (kLanes * Codes::kBytes));
    if constexpr (kRows <= 2) {  // with more rows the weights come from the cache
      for (int g = 0; g < kGroups; ++g)
        prefetch(codes + g * job.codes_stride_bytes + k * (kLanes * Codes::kBytes) + kPrefetchBytes);
    }
#pragma GCC unroll kUnroll
    for (int r = 0; r < kRows; ++r) {
      const VecF x = set1(input[r * job.input_stride + k]);
#pragma GCC unroll kUnroll
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

}  // namespace da::backend::cpu::DA_CPU_TARGET
