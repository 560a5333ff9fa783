// The integer products of a tile by matrix instructions, two rows by two outputs by eight columns at a time; included
// by linear_tile-inl.h. Sums of integers are exact, so each is what tile_dots-inl.h makes of it.

namespace da::backend::cpu::DA_CPU_TARGET {

constexpr int kRowsTogether = 2;

// Two code vectors of a group, one after the other, as the tile keeps them: eight columns of the first two outputs,
// then of the other two.
static inline void arrange_codes(VecB& first, VecB& second) { interleave_words(first, second); }

// As in tile_dots-inl.h. While they add up, dots[g][r] and dots[g][r + 1] are the first two outputs of both rows and
// the other two.
template <class T, int kRows, int kGroups, class Block>
[[gnu::always_inline]] static inline void tile_dots(const uint8_t (*codes)[kGroups][4 * kLanes], const Block* const* x,
                                                    int64_t block, int half, VecI (*dots)[kRows]) {
  static_assert(kRows % kRowsTogether == 0);
#pragma GCC unroll kUnroll
  for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll kUnroll
    for (int r = 0; r < kRows; r += 2) exchange_halves(dots[g][r], dots[g][r + 1]);
  }
#pragma GCC unroll kUnroll
  for (int v = half * 4; v < half * 4 + T::kSub / 4; v += 2) {
    VecB w[kGroups][2];
#pragma GCC unroll kUnroll
    for (int g = 0; g < kGroups; ++g) {
      w[g][0] = load_bytes(codes[v][g]);
      w[g][1] = load_bytes(codes[v + 1][g]);
    }
#pragma GCC unroll kUnroll
    for (int r = 0; r < kRows; r += 2) {
      const VecB a = load_two_rows(codes_of(x[r], block) + 4 * v, codes_of(x[r + 1], block) + 4 * v);
#pragma GCC unroll kUnroll
      for (int g = 0; g < kGroups; ++g) {
        dots[g][r] = matrix_dot8(dots[g][r], a, w[g][0]);
        dots[g][r + 1] = matrix_dot8(dots[g][r + 1], a, w[g][1]);
      }
    }
  }
#pragma GCC unroll kUnroll
  for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll kUnroll
    for (int r = 0; r < kRows; r += 2) exchange_halves(dots[g][r], dots[g][r + 1]);
  }
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
