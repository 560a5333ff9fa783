// Products of integer weights with many rows; included once by each target, after linear_few-inl.h.
//
// Some columns of a few groups are unpacked once, to bytes and float scales that stay in the first-level cache, and
// multiplied with all rows; each activation loaded serves all groups of the tile. Sums between the pieces of columns
// wait in a buffer. Every output is added up in the order of the columns with the operations of linear_few-inl.h, so
// that the two give the same bits.

// A target with matrix products names the body of theirs.
#ifndef DA_CPU_TILE
#define DA_CPU_TILE "backend/cpu/body/tile_dots-inl.h"
#endif
#include DA_CPU_TILE

namespace da::backend::cpu::DA_CPU_TARGET {

constexpr int kTileGroups = kRegisters == 32 ? 2 : 1;
constexpr int kTileRows = kRegisters == 32 ? 6 : 4;
constexpr int kFewerTileRows =
    (kTileRows / 2 + kRowsTogether - 1) / kRowsTogether * kRowsTogether;  // for the last ones
constexpr int kTileColumns = 512;                                         // a multiple of 256

struct Tile {
  alignas(64) uint8_t codes[kTileColumns / 4][kTileGroups][4 * kLanes];
  alignas(64) float scales[kTileColumns / 16][kTileGroups][kLanes];
  alignas(64) float mins[kTileColumns / 16][kTileGroups][kLanes];  // or min_pair()s of long blocks, whose are:
  alignas(64) float negative_min_scales[kTileColumns / kLongBlock][kTileGroups][kLanes];
  alignas(64) float chain_begins[kTileColumns / kLongBlock][kTileGroups][kLanes];
};

template <class F, int kVector>
static inline void unpack_vectors(const uint8_t* planes, Tile& tile, int64_t block, int g) {
  VecB first = code_vector<F, kVector>(planes), second = code_vector<F, kVector + 1>(planes);
  if constexpr (TileCodes<F>::kRaise != 0) {
    first = add_bytes(first, TileCodes<F>::kRaise);
    second = add_bytes(second, TileCodes<F>::kRaise);
  }
  arrange_codes(first, second);
  store_bytes(tile.codes[block * 8 + kVector][g], first);
  store_bytes(tile.codes[block * 8 + kVector + 1][g], second);
  if constexpr (kVector < 6) unpack_vectors<F, kVector + 2>(planes, tile, block, g);
}

// Scales of long block number `index` of the tile.
template <class F>
static inline void unpack_long_scales(ScaleReader<F>& scales, Tile& tile, int64_t index, int g) {
  constexpr int kSubs = ScaleReader<F>::kSubs;
  scales.next_long_block();
  for (int i = 0; i < kSubs; ++i) store(tile.scales[index * kSubs + i][g], scales.scales[i]);
  store(tile.chain_begins[index][g], scales.chain_begin);
  if constexpr (F::kMin) {
    store(tile.negative_min_scales[index][g], scales.negative_min_scale());
    for (int i = 0; i < kSubs / 2; ++i)
      store_bytes(reinterpret_cast<uint8_t*>(tile.mins[index * (kSubs / 2) + i][g]), scales.min_pair(i));
  }
}

// Columns [32 * first_block, + 32 * n_blocks) of a group.
template <class F>
static void unpack_group(const LinearJob& job, int64_t group, int64_t first_block, int64_t n_blocks, Tile& tile,
                         int g) {
  static_assert(F::kLong || F::kSub == 32);
  constexpr int kCodeBytes = F::kBits * 4 * kLanes;
  ScaleReader<F> scales(job.scales + group * job.scales_stride_bytes, first_block);
  const uint8_t* codes = job.codes + group * job.codes_stride_bytes + first_block * kCodeBytes;
  for (int64_t block = 0; block < n_blocks; ++block, codes += kCodeBytes) {
    if (block % ScaleReader<F>::kBlocks == 0) scales.next_block();
    if constexpr (F::kLong) {
      if (block % (kLongBlock / 32) == 0) unpack_long_scales(scales, tile, block / (kLongBlock / 32), g);
    } else {
      scales.next_sub_block();
      store(tile.scales[block][g], scales.scale);
      if constexpr (F::kMin) store(tile.mins[block][g], scales.min);
    }
    unpack_vectors<F, 0>(codes, tile, block, g);
  }
}

// The tile against kRows rows, whose sums go on from `sums`.
template <class T, int kRows>
static void multiply_tile(const Tile& tile, int64_t n_blocks, const QuantBlock* const* x, float* const* sums) {
  VecF acc[kTileGroups][kRows];
#pragma GCC unroll kUnroll
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll kUnroll
    for (int g = 0; g < kTileGroups; ++g) acc[g][r] = load(sums[r] + g * kLanes);
  }
  constexpr int kHalves = 32 / T::kSub;
  for (int64_t block = 0; block < n_blocks; ++block) {
#pragma GCC unroll kUnroll
    for (int half = 0; half < kHalves; ++half) {
      VecI dots[kTileGroups][kRows];
#pragma GCC unroll kUnroll
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll kUnroll
        for (int g = 0; g < kTileGroups; ++g) dots[g][r] = first_sum<T::kZeroShift, T::kSub>(x[r][block], half);
      }
      tile_dots<T, kRows>(tile.codes + block * 8, x, block, half, dots);
      const int64_t sub = block * kHalves + half;
#pragma GCC unroll kUnroll
      for (int g = 0; g < kTileGroups; ++g) {
        const VecF scale = load(tile.scales[sub][g]), min = T::kMin ? load(tile.mins[sub][g]) : zero();
#pragma GCC unroll kUnroll
        for (int r = 0; r < kRows; ++r) {
          acc[g][r] = add_sum<T::kMin>(acc[g][r], dots[g][r], scale, min, x[r][block]);
        }
      }
    }
  }
#pragma GCC unroll kUnroll
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll kUnroll
    for (int g = 0; g < kTileGroups; ++g) store(sums[r] + g * kLanes, acc[g][r]);
  }
}

// The same with activations in long blocks.
template <class T, int kRows>
static void multiply_tile(const Tile& tile, int64_t n_blocks, const QuantLongBlock* const* x, float* const* sums) {
  constexpr int kHalves = 32 / T::kSub, kBlocks = kLongBlock / 32;
  for (int64_t index = 0; index < n_blocks / kBlocks; ++index) {
    const QuantLongBlock* at[kRows];
    VecF chain[kTileGroups][kRows];
#pragma GCC unroll kUnroll
    for (int r = 0; r < kRows; ++r) {
      at[r] = x[r] + index;
#pragma GCC unroll kUnroll
      for (int g = 0; g < kTileGroups; ++g) chain[g][r] = load(tile.chain_begins[index][g]);
    }
    for (int block = 0; block < kBlocks; ++block) {
#pragma GCC unroll kUnroll
      for (int half = 0; half < kHalves; ++half) {
        VecI dots[kTileGroups][kRows];
#pragma GCC unroll kUnroll
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll kUnroll
          for (int g = 0; g < kTileGroups; ++g) dots[g][r] = first_sum<T::kZeroShift, T::kSub>(*at[r], block, half);
        }
        const int64_t tile_block = index * kBlocks + block;
        tile_dots<T, kRows>(tile.codes + tile_block * 8, at, block, half, dots);
#pragma GCC unroll kUnroll
        for (int g = 0; g < kTileGroups; ++g) {
          const VecF scale = load(tile.scales[tile_block * kHalves + half][g]);
#pragma GCC unroll kUnroll
          for (int r = 0; r < kRows; ++r) chain[g][r] = add_to_chain<T::kOwnBias>(chain[g][r], dots[g][r], scale);
        }
      }
    }
    if constexpr (T::kMin) {
      constexpr int kPairs = kLongBlock / T::kSub / 2;
      VecI dots[kTileGroups][kRows];
#pragma GCC unroll kUnroll
      for (int g = 0; g < kTileGroups; ++g) {
#pragma GCC unroll kUnroll
        for (int r = 0; r < kRows; ++r) dots[g][r] = set1_i(kChainBias);
      }
#pragma GCC unroll kUnroll
      for (int i = 0; i < kPairs; ++i) {
        VecB mins[kTileGroups];
#pragma GCC unroll kUnroll
        for (int g = 0; g < kTileGroups; ++g)
          mins[g] = load_bytes(reinterpret_cast<const uint8_t*>(tile.mins[index * kPairs + i][g]));
#pragma GCC unroll kUnroll
        for (int r = 0; r < kRows; ++r) {
          const VecB a = sum_pair<T::kSub>(*at[r], i);
#pragma GCC unroll kUnroll
          for (int g = 0; g < kTileGroups; ++g) dots[g][r] = dot2(dots[g][r], mins[g], a);
        }
      }
#pragma GCC unroll kUnroll
      for (int g = 0; g < kTileGroups; ++g) {
        const VecF scale = load(tile.negative_min_scales[index][g]);
#pragma GCC unroll kUnroll
        for (int r = 0; r < kRows; ++r) chain[g][r] = add_to_chain<T::kOwnBias>(chain[g][r], dots[g][r], scale);
      }
    }
#pragma GCC unroll kUnroll
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll kUnroll
      for (int g = 0; g < kTileGroups; ++g) {
        float* sum = sums[r] + g * kLanes;
        store(sum, fma(chain[g][r], set1(at[r]->scale), load(sum)));
      }
    }
  }
}

// The activations of a row from a block of 32 columns on, in blocks as the format has them.
template <class T>
static inline auto activations(const LinearJob& job, int64_t row, int64_t first_block) {
  if constexpr (T::kLong) {
    return static_cast<const QuantLongBlock*>(job.long_blocks + row * job.long_stride +
                                              first_block / (kLongBlock / 32));
  } else {
    return job.quantized + row * job.quantized_stride + first_block;
  }
}

// Memory that the next tile is unpacked from.
struct Ahead {
  const uint8_t* codes;
  const uint8_t* scales;
  int64_t code_bytes, scale_bytes;  // of each group, codes_stride_bytes and scales_stride_bytes apart
};

// The share of row `row` of n_rows.
static inline void fetch_ahead(const LinearJob& job, const Ahead& next, int64_t row, int64_t n_rows) {
  const int64_t end_row = row + kTileRows < n_rows ? row + kTileRows : n_rows;
  for (int g = 0; g < kTileGroups; ++g) {
    const uint8_t* codes = next.codes + g * job.codes_stride_bytes;
    const uint8_t* scales = next.scales + g * job.scales_stride_bytes;
    for (int64_t at = next.code_bytes * row / n_rows / 64 * 64; at < next.code_bytes * end_row / n_rows; at += 64)
      prefetch(codes + at);
    for (int64_t at = next.scale_bytes * row / n_rows / 64 * 64; at < next.scale_bytes * end_row / n_rows; at += 64)
      prefetch(scales + at);
  }
}

// All rows [begin, begin + n_rows) against the tile; `sums` [n_rows][kTileGroups][kLanes].
template <class T>
static void multiply_rows(const LinearJob& job, const Tile& tile, int64_t first_block, int64_t n_blocks, int64_t begin,
                          int64_t n_rows, const Ahead& next, float* sums) {
  for (int64_t row = 0; row < n_rows; row += kTileRows) {
    fetch_ahead(job, next, row, n_rows);
    decltype(activations<T>(job, 0, 0)) x[kTileRows];
    float* to[kTileRows];
    alignas(64) float nowhere[kTileGroups * kLanes] = {};
    for (int r = 0; r < kTileRows; ++r) {
      const bool real = row + r < n_rows;
      x[r] = activations<T>(job, begin + (real ? row + r : row), first_block);
      to[r] = real ? sums + (row + r) * (kTileGroups * kLanes) : nowhere;
    }
    if (n_rows - row > kFewerTileRows) {
      multiply_tile<T, kTileRows>(tile, n_blocks, x, to);
    } else {
      multiply_tile<T, kFewerTileRows>(tile, n_blocks, x, to);
    }
  }
}

// `unpack(group, first_block, n_blocks, tile, g)` fills the tile's part g; `where(group, first_block, n_blocks)` says
// what it will read (of the group and those after it).
template <class T, class Unpack, class Where>
static void linear_tiles(const LinearJob& job, int64_t group_begin, int64_t group_end, const Unpack& unpack,
                         const Where& where) {
  // A piece of the columns of a block of rows stays in the second-level cache while some tiles pass over it.
  constexpr int64_t kRowBlock = 512, kTiles = 4;
  static_assert(kRowBlock * kTiles * kTileGroups * kLanes <= kLinearScratchFloats);
  constexpr int64_t kBlocks = kTileColumns / 32, kSums = kTileGroups * kLanes;
  Tile tile;
  const int64_t n_blocks = job.n_in / 32;
  for (int64_t row = 0; row < job.n_rows; row += kRowBlock) {
    const int64_t n_rows = job.n_rows - row < kRowBlock ? job.n_rows - row : kRowBlock;
    for (int64_t group = group_begin; group < group_end; group += kTiles * kTileGroups) {
      const int64_t left = group_end - group, n_groups = left < kTiles * kTileGroups ? left : kTiles * kTileGroups;
      const int64_t n_tiles = (n_groups + kTileGroups - 1) / kTileGroups;
      __builtin_memset(job.scratch, 0, static_cast<unsigned long>(n_tiles * n_rows * kSums) * sizeof(float));
      for (int64_t first = 0; first < n_blocks; first += kBlocks) {
        const int64_t n = n_blocks - first < kBlocks ? n_blocks - first : kBlocks;
        for (int64_t t = 0; t < n_tiles; ++t) {
          // A missing last group is the one before it again; nobody reads what it makes.
          for (int64_t g = 0; g < kTileGroups; ++g) {
            const int64_t index = t * kTileGroups + g;
            unpack(group + (index < n_groups ? index : n_groups - 1), first, n, tile, static_cast<int>(g));
          }
          int64_t next_group = group + (t + 1) * kTileGroups, next_first = first;
          if (t + 1 == n_tiles) {
            next_group = group;
            next_first = first + kBlocks;
            if (next_first >= n_blocks) {
              next_group = group + n_groups;
              next_first = 0;
            }
          }
          multiply_rows<T>(job, tile, first, n, row, n_rows, where(next_group, next_first, n),
                           job.scratch + t * n_rows * kSums);
        }
      }
      for (int64_t r = 0; r < n_rows; ++r) {
        for (int64_t g = 0; g < n_groups; ++g) {
          const float* sums = job.scratch + (g / kTileGroups * n_rows + r) * kSums + g % kTileGroups * kLanes;
          finish(job, group + g, row + r, load(sums));
        }
      }
    }
  }
}

template <class F>
static void linear_integer(const LinearJob& job, int64_t group_begin, int64_t group_end) {
  // From here on unpacking pays.
  constexpr int64_t kManyRows = 2 * kTileRows;
  if (job.n_rows < kManyRows) return linear_few<F>(job, group_begin, group_end);
  const auto unpack = [&](int64_t group, int64_t first_block, int64_t n_blocks, Tile& tile, int g) {
    unpack_group<F>(job, group, first_block, n_blocks, tile, g);
  };
  const auto where = [&](int64_t group, int64_t first_block, int64_t n_blocks) {
    return Ahead{job.codes + group * job.codes_stride_bytes + first_block * (F::kBits * 4 * kLanes),
                 job.scales + group * job.scales_stride_bytes + ScaleReader<F>::offset(first_block),
                 n_blocks * (F::kBits * 4 * kLanes), ScaleReader<F>::offset(n_blocks)};
  };
  linear_tiles<TileCodes<F>>(job, group_begin, group_end, unpack, where);
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
