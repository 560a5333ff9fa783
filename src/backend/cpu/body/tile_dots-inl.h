// The integer products of a tile, one row by a lane's output at a time; included by linear_tile-inl.h.

namespace da::backend::cpu::DA_CPU_TARGET {

constexpr int kRowsTogether = 1;

// Two code vectors of a group, one after the other, as the tile keeps them.
static inline void arrange_codes(VecB& /*first*/, VecB& /*second*/) {}

// dots[g][r] += the products of a block (or of the half numbered `half`) of group g with row r; `codes` is the block's.
template <class T, int kRows, int kGroups, class Block>
[[gnu::always_inline]] static inline void tile_dots(const uint8_t (*codes)[kGroups][4 * kLanes], const Block* const* x,
                                                    int64_t block, int half, VecI (*dots)[kRows]) {
#pragma GCC unroll kUnroll
  for (int v = half * 4; v < half * 4 + T::kSub / 4; ++v) {
    VecB w[kGroups];
#pragma GCC unroll kUnroll
    for (int g = 0; g < kGroups; ++g) w[g] = load_bytes(codes[v][g]);
#pragma GCC unroll kUnroll
    for (int r = 0; r < kRows; ++r) {
      const VecB a = broadcast4(codes_of(x[r], block) + 4 * v);
#pragma GCC unroll kUnroll
      for (int g = 0; g < kGroups; ++g) {
        dots[g][r] = T::kSigned ? dot4_signed(dots[g][r], w[g], a) : dot4(dots[g][r], w[g], a);
      }
    }
  }
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
