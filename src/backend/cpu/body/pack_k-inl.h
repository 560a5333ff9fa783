// Packing a whole group of rows at once: a vector of a group's packed form is the same word of each row. Here what all
// formats need and those of 256 columns; pack-inl.h has the others. Included once by each target, after its simd
// header. The layout is packing.h's; the file's blocks are described in quant/blocks.cc, against which the tests
// compare.

namespace da::backend::cpu::DA_CPU_TARGET {

// The word `offset` bytes into the current block of every row.
static inline VecB row_words(const PackJob& job, const uint8_t* block, int offset) {
  return gather_words(block + offset, job.row_bytes);
}

// Halves of bytes of words a and b (low halves if kHigh is 0, high if 1), a's below b's.
template <int kHigh>
static inline VecB pair_halves(VecB a, VecB b) {
  if constexpr (kHigh == 0) return or_bytes(shift_mask<0, 0x0F>(a), shift_mask<-4, 0xF0>(b));
  return or_bytes(shift_mask<4, 0x0F>(a), shift_mask<0, 0xF0>(b));
}

// Low planes of 32 columns from the halves of 8 words.
template <int kHigh>
static inline uint8_t* store_halves(const VecB* words, uint8_t* codes) {
#pragma GCC unroll kUnroll
  for (int i = 0; i < 4; ++i, codes += 4 * kLanes)
    store_bytes(codes, pair_halves<kHigh>(words[2 * i], words[2 * i + 1]));
  return codes;
}

// n words from there on, a multiple of 4.
static inline void load_row_words(const PackJob& job, const uint8_t* block, int offset, int n, VecB* words) {
#pragma GCC unroll kUnroll
  for (int i = 0; i < n; i += 4) load_words(block + offset + 4 * i, job.row_bytes, words + i);
}

// Bytes 0 .. 3 of every lane, one vector of bytes after the other, `step` bytes apart.
static inline void store_byte_planes(VecB words, int step, uint8_t* out) {
  store_low8(out, words);
  store_low8(out + step, shift_words<8>(words));
  store_low8(out + 2 * step, shift_words<16>(words));
  store_low8(out + 3 * step, shift_words<24>(words));
}

// d, d_min and the eight 6-bit scales and minimums of Q4_K and Q5_K.
static inline uint8_t* pack_k_scales(const PackJob& job, const uint8_t* block, uint8_t* scales) {
  VecB head[4];
  load_row_words(job, block, 0, 4, head);
  const auto [d, a, b, c] = head;
  store_low16(scales, d);
  store_low16(scales + 2 * kLanes, shift_words<16>(d));
  scales += 4 * kLanes;
  store_byte_planes(shift_mask<0, 0x3F>(a), 2 * kLanes, scales);
  store_byte_planes(shift_mask<0, 0x3F>(b), 2 * kLanes, scales + kLanes);
  scales += 8 * kLanes;
  store_byte_planes(or_bytes(shift_mask<0, 0x0F>(c), shift_mask<2, 0x30>(a)), 2 * kLanes, scales);
  store_byte_planes(or_bytes(shift_mask<4, 0x0F>(c), shift_mask<2, 0x30>(b)), 2 * kLanes, scales + kLanes);
  return scales + 8 * kLanes;
}

// Bit kRun of the bytes of 8 words: the plane of the highest bits of 32 columns of Q5_K or Q3_K.
template <int kRun>
static inline VecB fifth_bits(const VecB* high) {
  VecB plane = shift_mask<kRun - 0, 1>(high[0]);
  plane = or_bytes(plane, shift_mask<kRun - 1, 2>(high[1]));
  plane = or_bytes(plane, shift_mask<kRun - 2, 4>(high[2]));
  plane = or_bytes(plane, shift_mask<kRun - 3, 8>(high[3]));
  plane = or_bytes(plane, shift_mask<kRun - 4, 16>(high[4]));
  plane = or_bytes(plane, shift_mask<kRun - 5, 32>(high[5]));
  plane = or_bytes(plane, shift_mask<kRun - 6, 64>(high[6]));
  return or_bytes(plane, shift_mask<kRun - 7, 128>(high[7]));
}

// 64 columns of Q4_K (kFive false) or Q5_K.
template <bool kFive, int kPart>
static inline uint8_t* pack_k_part(const PackJob& job, const uint8_t* block, const VecB* high, uint8_t* codes) {
  VecB words[8];
  load_row_words(job, block, (kFive ? 48 : 16) + 32 * kPart, 8, words);
  codes = store_halves<0>(words, codes);
  if constexpr (kFive) {
    store_bytes(codes, fifth_bits<2 * kPart>(high));
    codes += 4 * kLanes;
  }
  codes = store_halves<1>(words, codes);
  if constexpr (kFive) {
    store_bytes(codes, fifth_bits<2 * kPart + 1>(high));
    codes += 4 * kLanes;
  }
  return codes;
}

template <bool kFive>
static void pack_k(const PackJob& job) {
  const uint8_t* block = job.rows;
  uint8_t *codes = job.codes, *scales = job.scales;
  for (int64_t column = 0; column < job.n_in; column += 256, block += kFive ? 176 : 144) {
    scales = pack_k_scales(job, block, scales);
    VecB high[8];
    if constexpr (kFive) load_row_words(job, block, 16, 8, high);
    codes = pack_k_part<kFive, 0>(job, block, high, codes);
    codes = pack_k_part<kFive, 1>(job, block, high, codes);
    codes = pack_k_part<kFive, 2>(job, block, high, codes);
    codes = pack_k_part<kFive, 3>(job, block, high, codes);
  }
}

// Bits 2 * kRun and the next of the bytes of 4 words.
template <int kRun>
static inline VecB two_bits(const VecB* words) {
  VecB plane = shift_mask<2 * kRun, 3>(words[0]);
  plane = or_bytes(plane, shift_mask<2 * kRun - 2, 3 << 2>(words[1]));
  plane = or_bytes(plane, shift_mask<2 * kRun - 4, 3 << 4>(words[2]));
  return or_bytes(plane, shift_mask<2 * kRun - 6, 3 << 6>(words[3]));
}

// 32 columns of Q6_K: the quarter kRun of 128, whose low halves are in `low` [16] and high bits in `high` [8].
template <int kRun>
static inline uint8_t* pack_q6_run(const VecB* low, const VecB* high, uint8_t* codes) {
  codes = store_halves<kRun / 2>(low + kRun % 2 * 8, codes);
  for (int k = 0; k < 2; ++k, codes += 4 * kLanes) store_bytes(codes, two_bits<kRun>(high + 4 * k));
  return codes;
}

static void pack_q6_k(const PackJob& job) {
  const uint8_t* block = job.rows;
  uint8_t *codes = job.codes, *scales = job.scales;
  for (int64_t column = 0; column < job.n_in; column += 256, block += 210) {
    store_low16(scales, shift_words<16>(row_words(job, block, 206)));
    scales += 2 * kLanes;
    VecB subs[4];
    load_row_words(job, block, 192, 4, subs);
    for (int i = 0; i < 4; ++i, scales += 4 * kLanes) store_byte_planes(subs[i], kLanes, scales);
    for (int part = 0; part < 2; ++part) {
      VecB low[16], high[8];
      load_row_words(job, block, 64 * part, 16, low);
      load_row_words(job, block, 128 + 32 * part, 8, high);
      codes = pack_q6_run<0>(low, high, codes);
      codes = pack_q6_run<1>(low, high, codes);
      codes = pack_q6_run<2>(low, high, codes);
      codes = pack_q6_run<3>(low, high, codes);
    }
  }
}

// 32 columns of Q2_K, or of Q3_K (kThree) with the bits of `high` [8].
template <bool kThree, int kBlock>
static inline uint8_t* pack_q2_run(const VecB* low, const VecB* high, uint8_t* codes) {
  for (int k = 0; k < 2; ++k, codes += 4 * kLanes) store_bytes(codes, two_bits<kBlock % 4>(low + 4 * k));
  if constexpr (kThree) {
    store_bytes(codes, fifth_bits<kBlock>(high));
    codes += 4 * kLanes;
  }
  return codes;
}

// 128 columns of them, whose low bits begin `offset` bytes into the block.
template <bool kThree, int kPart>
static inline uint8_t* pack_q2_part(const PackJob& job, const uint8_t* block, int offset, const VecB* high,
                                    uint8_t* codes) {
  VecB low[8];
  load_row_words(job, block, offset, 8, low);
  codes = pack_q2_run<kThree, 4 * kPart>(low, high, codes);
  codes = pack_q2_run<kThree, 4 * kPart + 1>(low, high, codes);
  codes = pack_q2_run<kThree, 4 * kPart + 2>(low, high, codes);
  return pack_q2_run<kThree, 4 * kPart + 3>(low, high, codes);
}

static void pack_q2_k(const PackJob& job) {
  const uint8_t* block = job.rows;
  uint8_t *codes = job.codes, *scales = job.scales;
  for (int64_t column = 0; column < job.n_in; column += 256, block += 84) {
    const VecB d = row_words(job, block, 80);
    store_low16(scales, d);
    store_low16(scales + 2 * kLanes, shift_words<16>(d));
    scales += 4 * kLanes;
    VecB subs[4];
    load_row_words(job, block, 0, 4, subs);
    for (int i = 0; i < 4; ++i, scales += 8 * kLanes) {
      store_byte_planes(shift_mask<0, 0x0F>(subs[i]), 2 * kLanes, scales);
      store_byte_planes(shift_mask<4, 0x0F>(subs[i]), 2 * kLanes, scales + kLanes);
    }
    codes = pack_q2_part<false, 0>(job, block, 16, nullptr, codes);
    codes = pack_q2_part<false, 1>(job, block, 48, nullptr, codes);
  }
}

static void pack_q3_k(const PackJob& job) {
  const uint8_t* block = job.rows;
  uint8_t *codes = job.codes, *scales = job.scales;
  for (int64_t column = 0; column < job.n_in; column += 256, block += 110) {
    store_low16(scales, shift_words<16>(row_words(job, block, 106)));
    scales += 2 * kLanes;
    const VecB a = row_words(job, block, 96), b = row_words(job, block, 100), c = row_words(job, block, 104);
    const VecB subs[4] = {or_bytes(shift_mask<0, 0x0F>(a), shift_mask<-4, 0x30>(c)),
                          or_bytes(shift_mask<0, 0x0F>(b), shift_mask<-2, 0x30>(c)),
                          or_bytes(shift_mask<4, 0x0F>(a), shift_mask<0, 0x30>(c)),
                          or_bytes(shift_mask<4, 0x0F>(b), shift_mask<2, 0x30>(c))};
    for (int i = 0; i < 4; ++i, scales += 4 * kLanes) store_byte_planes(add_bytes(subs[i], -32), kLanes, scales);
    VecB high[8];
    load_row_words(job, block, 0, 8, high);
    codes = pack_q2_part<true, 0>(job, block, 32, high, codes);
    codes = pack_q2_part<true, 1>(job, block, 64, high, codes);
  }
}

// 32 columns whose low halves of 4 words are the first 16.
static inline uint8_t* store_nibbles(const VecB* words, uint8_t* codes) {
  for (int i = 0; i < 2; ++i) {
    store_bytes(codes + i * 4 * kLanes, pair_halves<0>(words[2 * i], words[2 * i + 1]));
    store_bytes(codes + (i + 2) * 4 * kLanes, pair_halves<1>(words[2 * i], words[2 * i + 1]));
  }
  return codes + 16 * kLanes;
}

struct LaneWords {
  alignas(64) uint32_t v[kLanes];
  explicit LaneWords(VecB words) { store_bytes(reinterpret_cast<uint8_t*>(v), words); }
};

static void pack_iq4_xs(const PackJob& job) {
  const uint8_t* block = job.rows;
  uint8_t *codes = job.codes, *scales = job.scales;
  for (int64_t column = 0; column < job.n_in; column += 256, block += 136) {
    const VecB head = row_words(job, block, 0);
    store_low16(scales, head);
    scales += 2 * kLanes;
    const LaneWords high(head), low(row_words(job, block, 4));
    for (int j = 0; j < 8; ++j, scales += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const uint32_t scale = (low.v[lane] >> (4 * j) & 15) | (high.v[lane] >> (16 + 2 * j) & 3) << 4;
        scales[lane] = static_cast<uint8_t>(scale - 32);
      }
      VecB words[4];
      load_row_words(job, block, 8 + 16 * j, 4, words);
      codes = store_nibbles(words, codes);
    }
  }
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
