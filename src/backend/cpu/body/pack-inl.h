// Packing a whole group of rows at once: formats of 32 columns, floats, and which is which. Included once by each
// target, after pack_k-inl.h.

namespace da::backend::cpu::DA_CPU_TARGET {

// Formats of 32 columns: d, m (negated) if kMin, the fifth bits if kFive, halves of bytes.
template <bool kFive, bool kMin>
static void pack_legacy(const PackJob& job) {
  constexpr int kHighAt = kMin ? 4 : 2, kCodesAt = kHighAt + (kFive ? 4 : 0);
  const uint8_t* block = job.rows;
  uint8_t *codes = job.codes, *scales = job.scales;
  for (int64_t column = 0; column < job.n_in; column += 32, block += kCodesAt + 16) {
    const VecB d = row_words(job, block, 0);
    store_low16(scales, d);
    scales += 2 * kLanes;
    if constexpr (kMin) {
      const LaneWords both(d);
      for (int lane = 0; lane < kLanes; ++lane) {
        const auto min = static_cast<uint16_t>(both.v[lane] >> 16 ^ 0x8000);
        __builtin_memcpy(scales + 2 * lane, &min, 2);
      }
      scales += 2 * kLanes;
    }
    VecB words[4];
    load_row_words(job, block, kCodesAt, 4, words);
    codes = store_nibbles(words, codes);
    if constexpr (kFive) {
      // Bit 4 * v + j of a word goes to bit v of its byte j.
      const LaneWords high(row_words(job, block, kHighAt));
      for (int lane = 0; lane < kLanes; ++lane) {
        uint32_t plane = 0;
        for (int j = 0; j < 4; ++j) {
          uint32_t bits = high.v[lane] >> j & 0x11111111;
          bits = (bits | bits >> 3) & 0x03030303;
          bits = (bits | bits >> 6) & 0x000F000F;
          plane |= ((bits | bits >> 12) & 0xFF) << (8 * j);
        }
        __builtin_memcpy(codes + 4 * lane, &plane, 4);
      }
      codes += 4 * kLanes;
    }
  }
}

static void pack_mxfp4(const PackJob& job) {
  const uint8_t* block = job.rows;
  uint8_t *codes = job.codes, *scales = job.scales;
  for (int64_t column = 0; column < job.n_in; column += 32, block += 17, scales += 2 * kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const int e = block[lane * job.row_bytes];
      const auto d = static_cast<uint16_t>(e < 2 ? 0x20 << e : (e - 1) << 7);
      __builtin_memcpy(scales + 2 * lane, &d, 2);
    }
    VecB words[4];
    load_row_words(job, block, 1, 4, words);
    codes = store_nibbles(words, codes);
  }
}

static void pack_q8_0(const PackJob& job) {
  const uint8_t* block = job.rows;
  uint8_t *codes = job.codes, *scales = job.scales;
  for (int64_t column = 0; column < job.n_in; column += 32, block += 34, scales += 2 * kLanes) {
    store_low16(scales, row_words(job, block, 0));
    VecB words[8];
    load_row_words(job, block, 2, 8, words);
    for (int i = 0; i < 8; ++i, codes += 4 * kLanes)
      store_bytes(codes, kSignedQ8 ? words[i] : add_bytes(words[i], 128));
  }
}

// Floats of kBytes bytes, column by column. Pieces of the rows are put together first: rows a power of two apart would
// take each other's places in the cache at every step.
template <int kBytes>
static void pack_floats(const PackJob& job) {
  constexpr int64_t kPiece = 512, kStride = kPiece + 64;
  alignas(64) uint8_t rows[kLanes * kStride];
  const int64_t row_bytes = job.n_in * kBytes;
  for (int64_t begin = 0; begin < row_bytes; begin += kPiece) {
    const int64_t n = row_bytes - begin < kPiece ? row_bytes - begin : kPiece;
    for (int lane = 0; lane < kLanes; ++lane)
      __builtin_memcpy(rows + lane * kStride, job.rows + lane * job.row_bytes + begin, static_cast<unsigned long>(n));
    uint8_t* out = job.codes + begin * kLanes;
    int64_t at = 0;
    for (; at + 16 <= n; at += 16) {
      VecB words[4];
      load_words(rows + at, kStride, words);
      for (int w = 0; w < 4; ++w, out += 4 * kLanes) {
        if constexpr (kBytes == 4) {
          store_bytes(out, words[w]);
        } else {
          store_low16(out, words[w]);
          store_low16(out + 2 * kLanes, shift_words<16>(words[w]));
        }
      }
    }
    for (; at < n; at += kBytes) {
      for (int lane = 0; lane < kLanes; ++lane, out += kBytes)
        __builtin_memcpy(out, rows + lane * kStride + at, kBytes);
    }
  }
}

// False: this format is packed row by row.
static bool pack_group(PackedFormat format, const PackJob& job) {
  switch (format) {
    case PackedFormat::kF32:
      return pack_floats<4>(job), true;
    case PackedFormat::kF16:
    case PackedFormat::kBF16:
      return pack_floats<2>(job), true;
    case PackedFormat::kQ4_0:
    case PackedFormat::kIQ4_NL:
      return pack_legacy<false, false>(job), true;
    case PackedFormat::kQ4_1:
      return pack_legacy<false, true>(job), true;
    case PackedFormat::kQ5_0:
      return pack_legacy<true, false>(job), true;
    case PackedFormat::kQ5_1:
      return pack_legacy<true, true>(job), true;
    case PackedFormat::kQ8_0:
      return pack_q8_0(job), true;
    case PackedFormat::kQ2_K:
      return pack_q2_k(job), true;
    case PackedFormat::kQ3_K:
      return pack_q3_k(job), true;
    case PackedFormat::kQ4_K:
      return pack_k<false>(job), true;
    case PackedFormat::kQ5_K:
      return pack_k<true>(job), true;
    case PackedFormat::kQ6_K:
      return pack_q6_k(job), true;
    case PackedFormat::kIQ4_XS:
      return pack_iq4_xs(job), true;
    case PackedFormat::kMXFP4:
      return pack_mxfp4(job), true;
    case PackedFormat::kCoded:
      return false;
  }
  return false;
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
