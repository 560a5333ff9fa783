// Attention over pages; included once by each target, after its simd header, rows-inl.h and codes-inl.h.
//
// Keys lie so that the scores of a page's tokens are vectors over tokens (see kv_pool.h): sums of broadcast query
// values times key vectors, or, where keys are integers, the same integer products as of weights, with the query
// rounded to 8 bits. Pages of a piece are taken in order and each query vector has its own running maximum, sum and
// output; so are the pieces, which may have been run apart: what a row gets does not depend on the rows beside it.

namespace da::backend::cpu::DA_CPU_TARGET {

constexpr int kPage = 32;  // backend::kPageTokens
constexpr int kPageVectors = kPage / kLanes;
constexpr int kTile = kRegisters / 2 / kPageVectors;  // query vectors taken together

template <KvElement kType>
static inline VecF load_kv(const uint8_t* base, int64_t index) {
  if constexpr (kType == KvElement::kF16) return load_half(reinterpret_cast<const uint16_t*>(base) + index);
  if constexpr (kType == KvElement::kBF16) return load_bf16(reinterpret_cast<const uint16_t*>(base) + index);
  return load(reinterpret_cast<const float*>(base) + index);
}

struct KeyPage {
  const uint8_t* keys;
  const float* query;         // [n_queries][key_dim], scaled
  const QuantBlock* rounded;  // [n_queries][n_blocks], for keys in blocks
  int64_t key_dim, n_blocks;
  float* scores;  // [n_queries][kPage]
};

// scores[q][t] = query[q] . key[t] for kQueries queries from `first` on
template <KvElement kType, int kQueries>
static void float_scores(const KeyPage& page, int first) {
  VecF acc[kQueries][kPageVectors];
  const float* query = page.query + first * page.key_dim;
  for (int q = 0; q < kQueries; ++q) {
    for (int v = 0; v < kPageVectors; ++v) acc[q][v] = zero();
  }
  for (int64_t d = 0; d < page.key_dim; ++d) {
    VecF k[kPageVectors];
#pragma GCC unroll kUnroll
    for (int v = 0; v < kPageVectors; ++v) k[v] = load_kv<kType>(page.keys, d * kPage + v * kLanes);
#pragma GCC unroll kUnroll
    for (int q = 0; q < kQueries; ++q) {
      const VecF x = set1(query[q * page.key_dim + d]);
#pragma GCC unroll kUnroll
      for (int v = 0; v < kPageVectors; ++v) acc[q][v] = fma(x, k[v], acc[q][v]);
    }
  }
  for (int q = 0; q < kQueries; ++q) {
    for (int v = 0; v < kPageVectors; ++v) store(page.scores + (first + q) * kPage + v * kLanes, acc[q][v]);
  }
}

// Keys of a block are code vectors as of a packed weight, but kPage tokens wide.
template <KvElement kType, int kVector>
static inline VecB key_codes(const uint8_t* p) {
  if constexpr (kType == KvElement::kQ8_0) return load_bytes(p + kVector * 4 * kPage);
  return shift_mask<4 * (kVector % 2), 15>(load_bytes(p + kVector / 2 * 4 * kPage));
}

template <KvElement kType, int kVector, int kQueries>
static inline void key_dots(const uint8_t* codes, const QuantBlock* const* x, VecI* sums) {
  constexpr bool kSignedCodes = kType == KvElement::kQ8_0 && kSignedQ8;
  const VecB w = key_codes<kType, kVector>(codes);
#pragma GCC unroll kUnroll
  for (int q = 0; q < kQueries; ++q) {
    const VecB a = broadcast4(x[q]->codes + 4 * kVector);
    sums[q] = kSignedCodes ? dot4_signed(sums[q], w, a) : dot4(sums[q], w, a);
  }
  if constexpr (kVector < 7) key_dots<kType, kVector + 1, kQueries>(codes, x, sums);
}

template <KvElement kType, int kQueries>
static void integer_scores(const KeyPage& page, int first) {
  constexpr int64_t kBlockBytes = kType == KvElement::kQ8_0 ? 32 * kPage : 16 * kPage;
  constexpr int kZeroShift = kType == KvElement::kQ4_0 ? 3 : kSignedQ8 ? -1 : 7;
  const auto* scales = reinterpret_cast<const uint16_t*>(page.keys + page.n_blocks * kBlockBytes);
  for (int v = 0; v < kPageVectors; ++v) {
    VecF acc[kQueries];
    for (int q = 0; q < kQueries; ++q) acc[q] = zero();
    for (int64_t block = 0; block < page.n_blocks; ++block) {
      const QuantBlock* x[kQueries];
      VecI sums[kQueries];
#pragma GCC unroll kUnroll
      for (int q = 0; q < kQueries; ++q) {
        x[q] = page.rounded + (first + q) * page.n_blocks + block;
        sums[q] = first_sum<kZeroShift, 32>(*x[q], 0);
      }
      key_dots<kType, 0, kQueries>(page.keys + block * kBlockBytes + v * 4 * kLanes, x, sums);
      const VecF scale = load_half(scales + block * kPage + v * kLanes);
#pragma GCC unroll kUnroll
      for (int q = 0; q < kQueries; ++q) acc[q] = add_sum<false>(acc[q], sums[q], scale, zero(), *x[q]);
    }
    for (int q = 0; q < kQueries; ++q) store(page.scores + (first + q) * kPage + v * kLanes, acc[q]);
  }
}

struct ValuePage {
  const uint8_t* values;
  int64_t value_stride;
  int n_tokens;          // of the page that count
  const float* weights;  // [n_queries][kPage]
  const float* keep;     // [n_queries]
  float* acc;            // [n_queries][value_stride]
};

// kLanes values of token t from dimension d on; of a block without its scale.
template <KvElement kType>
static inline VecF load_value(const ValuePage& page, int t, int64_t d) {
  if constexpr (kType == KvElement::kQ8_0) return load_i8(page.values + t * page.value_stride + d);
  if constexpr (kType == KvElement::kQ4_0) {
    const uint8_t* p = page.values + (t * page.value_stride + d / 32 * 32) / 2 + d % 16;
    return sub(d % 32 < 16 ? load_nibbles<0>(p) : load_nibbles<4>(p), set1(8.0F));
  }
  return load_kv<kType>(page.values, t * page.value_stride + d);
}

// acc[q] = acc[q] * keep[q] + sum over tokens of weight[q][t] * value[t]
template <KvElement kType, int kQueries>
static void add_values(const ValuePage& page, int first) {
  constexpr bool kBlocks = kType >= KvElement::kQ8_0;
  const float* weights = page.weights + first * kPage;
  float scaled[kBlocks ? kQueries * kPage : 1];
  const int64_t n_blocks = page.value_stride / 32;
  const auto* scales =
      reinterpret_cast<const uint16_t*>(page.values + kPage * page.value_stride / (kType == KvElement::kQ4_0 ? 2 : 1));
  for (int64_t d = 0; d < page.value_stride; d += kLanes) {
    if (kBlocks && d % 32 == 0) {
      for (int t = 0; t < page.n_tokens; ++t) {
        const float scale = half_value(scales[t * n_blocks + d / 32]);
        for (int q = 0; q < kQueries; ++q) scaled[q * kPage + t] = weights[q * kPage + t] * scale;
      }
    }
    const float* factors = kBlocks ? scaled : weights;
    VecF out[kQueries];
#pragma GCC unroll kUnroll
    for (int q = 0; q < kQueries; ++q) {
      out[q] = mul(load(page.acc + (first + q) * page.value_stride + d), set1(page.keep[first + q]));
    }
    for (int t = 0; t < page.n_tokens; ++t) {
      const VecF v = load_value<kType>(page, t, d);
#pragma GCC unroll kUnroll
      for (int q = 0; q < kQueries; ++q) out[q] = fma(set1(factors[q * kPage + t]), v, out[q]);
    }
#pragma GCC unroll kUnroll
    for (int q = 0; q < kQueries; ++q) store(page.acc + (first + q) * page.value_stride + d, out[q]);
  }
}

template <KvElement kType, int kQueries>
static void page_scores(const KeyPage& page, int first) {
  if constexpr (kType >= KvElement::kQ8_0) {
    integer_scores<kType, kQueries>(page, first);
  } else {
    float_scores<kType, kQueries>(page, first);
  }
}

// All queries of a job, in tiles.
template <KvElement kType>
static void all_scores(const KeyPage& page, int n_queries) {
  int q = 0;
  for (; q + kTile <= n_queries; q += kTile) page_scores<kType, kTile>(page, q);
  if constexpr (kTile > 4) {
    for (; q + 4 <= n_queries; q += 4) page_scores<kType, 4>(page, q);
    for (; q + 2 <= n_queries; q += 2) page_scores<kType, 2>(page, q);
  }
  for (; q < n_queries; ++q) page_scores<kType, 1>(page, q);
}
template <KvElement kType>
static void all_values(const ValuePage& page, int n_queries) {
  int q = 0;
  for (; q + kTile <= n_queries; q += kTile) add_values<kType, kTile>(page, q);
  if constexpr (kTile > 4) {
    for (; q + 4 <= n_queries; q += 4) add_values<kType, 4>(page, q);
    for (; q + 2 <= n_queries; q += 2) add_values<kType, 2>(page, q);
  }
  for (; q < n_queries; ++q) add_values<kType, 1>(page, q);
}

// By KvElement.
static constexpr void (*kScores[])(const KeyPage&, int) = {all_scores<KvElement::kF32>, all_scores<KvElement::kF16>,
                                                           all_scores<KvElement::kBF16>, all_scores<KvElement::kQ8_0>,
                                                           all_scores<KvElement::kQ4_0>};
static constexpr void (*kValues[])(const ValuePage&, int) = {all_values<KvElement::kF32>, all_values<KvElement::kF16>,
                                                             all_values<KvElement::kBF16>, all_values<KvElement::kQ8_0>,
                                                             all_values<KvElement::kQ4_0>};

// Turns one query vector's scores into weights; updates its maximum and sum; returns what to multiply the output so far
// by. Tokens outside [first_visible, last_visible] (page-relative) count nothing, whatever their memory holds.
static inline float page_softmax(float* scores, float softcap, int first_visible, int last_visible, float* maximum,
                                 float* total) {
  const float kNever = -__builtin_inff();
  if (softcap > 0) {
    for (int v = 0; v < kPageVectors; ++v) {
      const VecF s = load(scores + v * kLanes);
      store(scores + v * kLanes, mul(tanh(div(s, set1(softcap))), set1(softcap)));
    }
  }
  for (int t = 0; t < first_visible && t < kPage; ++t) scores[t] = kNever;
  for (int t = last_visible + 1 < 0 ? 0 : last_visible + 1; t < kPage; ++t) scores[t] = kNever;
  VecF largest = load(scores);
  for (int v = 1; v < kPageVectors; ++v) largest = max(largest, load(scores + v * kLanes));
  const float page_maximum = reduce_max(largest);
  const float before = *maximum;
  const float now = page_maximum > before ? page_maximum : before;
  const bool none_visible = first_visible >= kPage || last_visible < 0 || last_visible < first_visible;
  if (now == kNever && none_visible) {
    for (int t = 0; t < kPage; ++t) scores[t] = 0;
    return 1.0F;
  }
  VecF sums = zero();
  for (int v = 0; v < kPageVectors; ++v) {
    const VecF p = exp(sub(load(scores + v * kLanes), set1(now)));
    store(scores + v * kLanes, p);
    sums = add(sums, p);
  }
  float lanes[kLanes];
  store(lanes, exp(set1(before - now)));
  const float keep = before == now ? 1.0F : lanes[0];
  *maximum = now;
  *total = *total * keep + reduce_add(sums);
  return keep;
}

// The online soft-max of each query vector: of a piece, or of all pieces so far.
struct Sums {
  float* out;      // [n_queries][value_stride]
  float* maximum;  // [n_queries]
  float* total;    // [n_queries]
};
static inline Sums sums_at(float* memory, int n_queries, int64_t value_stride) {
  float* maximum = memory + n_queries * value_stride;
  return {memory, maximum, maximum + n_queries};
}

// A job's scratch memory.
struct Prepared {
  int n_queries;
  int64_t n_blocks;
  QuantBlock* rounded;  // [n_queries][n_blocks], for keys in blocks
  float* query;         // [n_queries][key_dim], scaled
  float* scores;        // [n_queries][kPage]
  float* keep;          // [n_queries]
};

static void prepare_queries(const AttentionJob& job, const Prepared& p) {
  const bool in_blocks = job.key_type >= KvElement::kQ8_0;
  for (int q = 0; q < p.n_queries; ++q) {
    const float* from = job.query + q / job.heads_per_kv * job.query_stride + q % job.heads_per_kv * job.key_dim;
    float* to = p.query + q * (in_blocks ? p.n_blocks * 32 : job.key_dim);
    for (int64_t d = 0; d < job.key_dim; ++d) to[d] = from[d] * job.scale;
    if (in_blocks) {
      for (int64_t d = job.key_dim; d < p.n_blocks * 32; ++d) to[d] = 0;
      quantize(to, p.n_blocks * 32, p.rounded + q * p.n_blocks);
    }
  }
}

static void run_piece(const AttentionJob& job, const Prepared& p, int piece, const Sums& sums) {
  constexpr int kPiecePages = kPieceTokens / kPage;
  static_assert(kPiecePages * kPage == kPieceTokens);
  for (int64_t i = 0; i < p.n_queries * job.value_stride; ++i) sums.out[i] = 0;
  for (int q = 0; q < p.n_queries; ++q) {
    sums.maximum[q] = -__builtin_inff();
    sums.total[q] = 0;
  }
  const int last_position = job.causal ? job.first_position + job.n_rows - 1 : job.last_position;
  const int first_seen = job.window > 0 && job.first_position >= job.window ? job.first_position - job.window + 1 : 0;
  const int first_page = first_seen / kPage > piece * kPiecePages ? first_seen / kPage : piece * kPiecePages;
  const int last_page =
      last_position / kPage < (piece + 1) * kPiecePages ? last_position / kPage : (piece + 1) * kPiecePages - 1;
  for (int page = first_page; page <= last_page; ++page) {
    const int64_t page_offset = job.pages[page] * job.page_bytes;
    kScores[static_cast<int>(job.key_type)](
        {job.keys + page_offset, p.query, p.rounded, job.key_dim, p.n_blocks, p.scores}, p.n_queries);
    const int page_begin = page * kPage;
    for (int q = 0; q < p.n_queries; ++q) {
      const int position = job.causal ? job.first_position + q / job.heads_per_kv : last_position;
      const int first = job.window > 0 && position >= job.window ? position - job.window + 1 - page_begin : 0;
      p.keep[q] = page_softmax(p.scores + q * kPage, job.softcap, first, position - page_begin, sums.maximum + q,
                               sums.total + q);
    }
    // Memory after the last row's token may hold anything.
    const int n_tokens = last_position - page_begin + 1 < kPage ? last_position - page_begin + 1 : kPage;
    kValues[static_cast<int>(job.value_type)](
        {job.values + page_offset, job.value_stride, n_tokens, p.scores, p.keep, sums.out}, p.n_queries);
  }
}

// What sums under maximum `from` are times under `to`.
static inline float rescale(float from, float to) {
  float lanes[kLanes];
  store(lanes, exp(set1(from - to)));
  return from == to ? 1.0F : lanes[0];
}

static void add_piece(const Sums& piece, int n_queries, int64_t value_stride, const Sums& all) {
  for (int q = 0; q < n_queries; ++q) {
    if (piece.total[q] == 0) continue;  // the row sees none of its tokens
    const float now = piece.maximum[q] > all.maximum[q] ? piece.maximum[q] : all.maximum[q];
    const float keep = rescale(all.maximum[q], now), share = rescale(piece.maximum[q], now);
    all.maximum[q] = now;
    all.total[q] = all.total[q] * keep + piece.total[q] * share;
    for (int64_t d = q * value_stride; d < (q + 1) * value_stride; d += kLanes) {
      store(all.out + d, fma(load(piece.out + d), set1(share), mul(load(all.out + d), set1(keep))));
    }
  }
}

static void attention(const AttentionJob& job) {
  const int n_queries = job.n_rows * job.heads_per_kv;
  const int64_t value_stride = job.value_stride, n_blocks = (job.key_dim + 31) / 32;
  float* query = job.scratch + kMaxQueryVectors * n_blocks * 16;
  float* scores = query + kMaxQueryVectors * n_blocks * 32;
  float* piece_memory = scores + kMaxQueryVectors * kPage;
  float* all_memory = piece_memory + kMaxQueryVectors * (value_stride + 2);
  float* keep = all_memory + kMaxQueryVectors * (value_stride + 2);
  const Prepared prepared{n_queries, n_blocks, reinterpret_cast<QuantBlock*>(job.scratch), query, scores, keep};
  const Sums all = sums_at(all_memory, n_queries, value_stride);
  if (job.step != AttentionStep::kAdd) prepare_queries(job, prepared);
  for (int q = 0; q < n_queries; ++q) {
    // A sink is a score whose value is 0.
    all.maximum[q] = job.sinks != nullptr ? job.sinks[q % job.heads_per_kv] : -__builtin_inff();
    all.total[q] = job.sinks != nullptr ? 1.0F : 0.0F;
    for (int64_t d = 0; d < value_stride; ++d) all.out[q * value_stride + d] = 0;
  }
  for (int piece = job.piece_begin; piece < job.piece_end; ++piece) {
    if (job.parts != nullptr) piece_memory = job.parts + (piece - job.piece_begin) * n_queries * (value_stride + 2);
    const Sums sums = sums_at(piece_memory, n_queries, value_stride);
    if (job.step != AttentionStep::kAdd) run_piece(job, prepared, piece, sums);
    if (job.step != AttentionStep::kRun) add_piece(sums, n_queries, value_stride, all);
  }
  if (job.step == AttentionStep::kRun) return;
  for (int q = 0; q < n_queries; ++q) {
    float* to = job.out + q / job.heads_per_kv * job.out_stride + q % job.heads_per_kv * job.value_dim;
    for (int64_t d = 0; d < job.value_dim; ++d) to[d] = all.out[q * value_stride + d] / all.total[q];
  }
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
