// Products of coded rows; included after linear_tile-inl.h.

namespace da::backend::cpu::DA_CPU_TARGET {

struct CodedCodes {
  static constexpr int kSub = 16;
  static constexpr bool kMin = false, kSigned = kSignedQ8, kLong = false;
  static constexpr int kZeroShift = kSignedQ8 ? -1 : 7;
};

static void linear_coded_rows(const LinearJob& job, int64_t group_begin, int64_t group_end) {
  const auto unpack = [&](int64_t group, int64_t first_block, int64_t n_blocks, Tile& tile, int g) {
    job.unpack({.rows = job.codes + group * job.codes_stride_bytes,
                .type = job.type,
                .n_in = job.n_in,
                .first_column = first_block * 32,
                .n_columns = n_blocks * 32,
                .lanes = kLanes,
                .signed_q8 = kSignedQ8,
                .codes = tile.codes[0][g],
                .codes_step = kTileGroups * 4 * kLanes,
                .scales = tile.scales[0][g],
                .scales_step = kTileGroups * kLanes});
    if constexpr (kRowsTogether == 1) return;  // the codes lie as arrange_codes() would have them
    for (int64_t v = 0; v < n_blocks * 8; v += 2) {
      VecB first = load_bytes(tile.codes[v][g]), second = load_bytes(tile.codes[v + 1][g]);
      arrange_codes(first, second);
      store_bytes(tile.codes[v][g], first);
      store_bytes(tile.codes[v + 1][g], second);
    }
  };
  // Unpacking takes far longer than reading.
  const auto where = [&](int64_t, int64_t, int64_t) { return Ahead{job.codes, job.scales, 0, 0}; };
  linear_tiles<CodedCodes>(job, group_begin, group_end, unpack, where);
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
