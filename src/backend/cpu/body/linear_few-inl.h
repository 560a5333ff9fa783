// Products of integer weights with few rows, straight from the packed planes; included once by each target, after
// codes-inl.h. The arithmetic of one output is that of linear_tile-inl.h, step by step.

namespace da::backend::cpu::DA_CPU_TARGET {

template <class F, int kVector, int kRows, class Block>
static inline void dot_step(const uint8_t* codes, const Block* const* x, int64_t block, VecI* sums) {
  const VecB w = code_vector<F, kVector>(codes);
#pragma GCC unroll kUnroll
  for (int r = 0; r < kRows; ++r) {
    const VecB a = broadcast4(codes_of(x[r], block) + 4 * kVector);
    sums[r] = F::kSigned ? dot4_signed(sums[r], w, a) : dot4(sums[r], w, a);
  }
}

// Integer products of half (or all) of a 32-column block.
template <class F, int kHalf, int kRows, class Block>
static inline void dot_sub_block(const uint8_t* codes, const Block* const* x, int64_t block, VecI* sums) {
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
}

// A group against kRows rows.
template <class F, int kRows>
static void few_rows(const LinearJob& job, int64_t group, int64_t row) {
  static_assert(F::kSub == 32);
  constexpr int kZero = F::kSigned ? -1 : F::kZeroShift;
  constexpr int kCodeBytes = F::kBits * 4 * kLanes;  // of a 32-column block
  ScaleReader<F> scales(job.scales + group * job.scales_stride_bytes);
  const uint8_t* codes = job.codes + group * job.codes_stride_bytes;
  const QuantBlock* x[kRows];
  VecF acc[kRows];
  for (int r = 0; r < kRows; ++r) {
    x[r] = job.quantized + (row + r) * job.quantized_stride;
    acc[r] = zero();
  }
  for (int64_t block = 0; block < job.n_in / 32; ++block, codes += kCodeBytes) {
    for (int line = 0; line < kCodeBytes; line += 64) prefetch(codes + kPrefetchBytes + line);
    scales.next_block();
    scales.next_sub_block();
    VecI sums[kRows];
#pragma GCC unroll kUnroll
    for (int r = 0; r < kRows; ++r) sums[r] = first_sum<kZero, 32>(x[r][block], 0);
    dot_sub_block<F, 0, kRows>(codes, x, block, sums);
#pragma GCC unroll kUnroll
    for (int r = 0; r < kRows; ++r) acc[r] = add_sum<F::kMin>(acc[r], sums[r], scales.scale, scales.min, x[r][block]);
  }
  for (int r = 0; r < kRows; ++r) finish(job, group, row + r, acc[r]);
}

// A sub-block of a long block: integer products, and their place in the chain.
template <class F, int kHalf, int kRows>
static inline void chain_sub_block(const uint8_t* codes, VecF scale, const QuantLongBlock* const* x, int block,
                                   VecF* chain) {
  constexpr int kZero = F::kSigned ? -1 : F::kZeroShift;
  VecI sums[kRows];
#pragma GCC unroll kUnroll
  for (int r = 0; r < kRows; ++r) sums[r] = first_sum<kZero, F::kSub>(*x[r], block, kHalf);
  dot_sub_block<F, kHalf, kRows>(codes, x, block, sums);
#pragma GCC unroll kUnroll
  for (int r = 0; r < kRows; ++r) chain[r] = add_to_chain<F::kOwnBias>(chain[r], sums[r], scale);
}

// A group of a format with blocks of 256 columns.
template <class F, int kRows>
static void few_rows_long(const LinearJob& job, int64_t group, int64_t row) {
  constexpr int kCodeBytes = F::kBits * 4 * kLanes, kHalves = 32 / F::kSub;
  ScaleReader<F> scales(job.scales + group * job.scales_stride_bytes);
  const uint8_t* codes = job.codes + group * job.codes_stride_bytes;
  const QuantLongBlock* x[kRows];
  VecF acc[kRows];
  for (int r = 0; r < kRows; ++r) {
    x[r] = job.long_blocks + (row + r) * job.long_stride;
    acc[r] = zero();
  }
  for (int64_t column = 0; column < job.n_in; column += kLongBlock) {
    if (column % 256 == 0) scales.next_block();
    scales.next_long_block();
    VecF chain[kRows];
#pragma GCC unroll kUnroll
    for (int r = 0; r < kRows; ++r) chain[r] = scales.chain_begin;
#pragma GCC unroll kUnroll
    for (int block = 0; block < kLongBlock / 32; ++block, codes += kCodeBytes) {
      for (int line = 0; line < kCodeBytes; line += 64) prefetch(codes + kPrefetchBytes + line);
      chain_sub_block<F, 0, kRows>(codes, scales.scales[block * kHalves], x, block, chain);
      if constexpr (kHalves == 2)
        chain_sub_block<F, 1, kRows>(codes, scales.scales[block * kHalves + 1], x, block, chain);
    }
    if constexpr (F::kMin) {
      VecI sums[kRows];
#pragma GCC unroll kUnroll
      for (int r = 0; r < kRows; ++r) sums[r] = set1_i(kChainBias);
#pragma GCC unroll kUnroll
      for (int i = 0; i < ScaleReader<F>::kSubs / 2; ++i) {
        const VecB mins = scales.min_pair(i);
#pragma GCC unroll kUnroll
        for (int r = 0; r < kRows; ++r) sums[r] = dot2(sums[r], mins, sum_pair<F::kSub>(*x[r], i));
      }
#pragma GCC unroll kUnroll
      for (int r = 0; r < kRows; ++r)
        chain[r] = add_to_chain<F::kOwnBias>(chain[r], sums[r], scales.negative_min_scale());
    }
#pragma GCC unroll kUnroll
    for (int r = 0; r < kRows; ++r) acc[r] = fma(chain[r], set1(x[r]++->scale), acc[r]);
  }
  for (int r = 0; r < kRows; ++r) finish(job, group, row + r, acc[r]);
}

template <class F, int kRows>
static inline void few_rows_of(const LinearJob& job, int64_t group, int64_t row) {
  if constexpr (F::kLong) return few_rows_long<F, kRows>(job, group, row);
  if constexpr (!F::kLong) few_rows<F, kRows>(job, group, row);
}

template <class F>
static void linear_few(const LinearJob& job, int64_t group_begin, int64_t group_end) {
  constexpr int kRows = kRegisters == 32 ? 8 : 4;
  for (int64_t group = group_begin; group < group_end; ++group) {
    int64_t row = 0;
    for (; row + kRows <= job.n_rows; row += kRows) few_rows_of<F, kRows>(job, group, row);
    if (kRows == 8 && row + 4 <= job.n_rows) {
      few_rows_of<F, 4>(job, group, row);
      row += 4;
    }
    if (row + 2 <= job.n_rows) {
      few_rows_of<F, 2>(job, group, row);
      row += 2;
    }
    if (row < job.n_rows) few_rows_of<F, 1>(job, group, row);
  }
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
