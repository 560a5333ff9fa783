// Attention over pages; included once by each target, after its simd header and rows-inl.h.
//
// A page keeps keys transposed, [key_dim][kPageTokens], so that the scores of all its tokens are sums of broadcast
// query values times contiguous key vectors, and values as rows. Pages are taken in order and each query vector has its
// own running maximum, sum and output: what a row gets does not depend on the rows beside it.

namespace da::backend::cpu::DA_CPU_TARGET {

constexpr int kPage = 32;  // backend::kPageTokens
constexpr int kPageVectors = kPage / kLanes;
constexpr int kTile = kRegisters == 32 ? 8 : 2;  // query vectors taken together

template <bool kHalf>
static inline VecF load_kv(const uint8_t* base, int64_t index) {
  if constexpr (kHalf) return load_half(reinterpret_cast<const uint16_t*>(base) + index);
  return load(reinterpret_cast<const float*>(base) + index);
}

// scores[q][t] = query[q] . key[t]
template <bool kHalf, int kQueries>
static void page_scores(const float* query, int64_t key_dim, const uint8_t* keys, float* scores) {
  VecF acc[kQueries][kPageVectors];
  for (int q = 0; q < kQueries; ++q) {
    for (int v = 0; v < kPageVectors; ++v) acc[q][v] = zero();
  }
  for (int64_t d = 0; d < key_dim; ++d) {
    VecF k[kPageVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kPageVectors; ++v) k[v] = load_kv<kHalf>(keys, d * kPage + v * kLanes);
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      const VecF x = set1(query[q * key_dim + d]);
#pragma GCC unroll 4
      for (int v = 0; v < kPageVectors; ++v) acc[q][v] = fma(x, k[v], acc[q][v]);
    }
  }
  for (int q = 0; q < kQueries; ++q) {
    for (int v = 0; v < kPageVectors; ++v) store(scores + q * kPage + v * kLanes, acc[q][v]);
  }
}

// acc[q] = acc[q] * keep[q] + sum over the page's first n_tokens of weight[q][t] * value[t]
template <bool kHalf, int kQueries>
static void page_values(const float* weights, const float* keep, const uint8_t* values, int64_t value_stride,
                        int n_tokens, float* acc) {
  for (int64_t d = 0; d < value_stride; d += kLanes) {
    VecF out[kQueries];
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) out[q] = mul(load(acc + q * value_stride + d), set1(keep[q]));
    for (int t = 0; t < n_tokens; ++t) {
      const VecF v = load_kv<kHalf>(values, t * value_stride + d);
#pragma GCC unroll 8
      for (int q = 0; q < kQueries; ++q) out[q] = fma(set1(weights[q * kPage + t]), v, out[q]);
    }
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) store(acc + q * value_stride + d, out[q]);
  }
}

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
  const bool none_visible = first_visible >= kPage || last_visible < first_visible;
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

template <bool kHalf>
static void attention_over_pages(const AttentionJob& job) {
  const int n_queries = job.n_rows * job.heads_per_kv;
  const int64_t key_dim = job.key_dim, value_stride = job.value_stride;
  float* query = job.scratch;                       // [n_queries][key_dim], scaled
  float* scores = query + n_queries * key_dim;      // [n_queries][kPage]
  float* acc = scores + n_queries * kPage;          // [n_queries][value_stride]
  float* maximum = acc + n_queries * value_stride;  // [n_queries], then total, keep
  float* total = maximum + n_queries;
  float* keep = total + n_queries;
  for (int q = 0; q < n_queries; ++q) {
    const float* from = job.query + q / job.heads_per_kv * job.query_stride + q % job.heads_per_kv * key_dim;
    for (int64_t d = 0; d < key_dim; ++d) query[q * key_dim + d] = from[d] * job.scale;
    for (int64_t d = 0; d < value_stride; ++d) acc[q * value_stride + d] = 0;
    // A sink is a score whose value is 0.
    maximum[q] = job.sinks != nullptr ? job.sinks[q % job.heads_per_kv] : -__builtin_inff();
    total[q] = job.sinks != nullptr ? 1.0F : 0.0F;
  }
  const int last_position = job.causal ? job.first_position + job.n_rows - 1 : job.last_position;
  const int window_begin = job.window > 0 && job.first_position >= job.window ? job.first_position - job.window + 1 : 0;
  for (int page = window_begin / kPage; page <= last_position / kPage; ++page) {
    const uint8_t* keys = job.keys + job.pages[page] * job.page_bytes;
    const uint8_t* values = job.values + job.pages[page] * job.page_bytes;
    int q = 0;
    for (; q + kTile <= n_queries; q += kTile)
      page_scores<kHalf, kTile>(query + q * key_dim, key_dim, keys, scores + q * kPage);
    for (; q < n_queries; ++q) page_scores<kHalf, 1>(query + q * key_dim, key_dim, keys, scores + q * kPage);
    const int page_begin = page * kPage;
    for (q = 0; q < n_queries; ++q) {
      const int position = job.causal ? job.first_position + q / job.heads_per_kv : last_position;
      const int first = job.window > 0 && position >= job.window ? position - job.window + 1 - page_begin : 0;
      keep[q] = page_softmax(scores + q * kPage, job.softcap, first, position - page_begin, maximum + q, total + q);
    }
    // Memory after the last row's token may hold anything.
    const int n_tokens = last_position - page_begin + 1 < kPage ? last_position - page_begin + 1 : kPage;
    q = 0;
    for (; q + kTile <= n_queries; q += kTile) {
      page_values<kHalf, kTile>(scores + q * kPage, keep + q, values, value_stride, n_tokens, acc + q * value_stride);
    }
    for (; q < n_queries; ++q) {
      page_values<kHalf, 1>(scores + q * kPage, keep + q, values, value_stride, n_tokens, acc + q * value_stride);
    }
  }
  for (int q = 0; q < n_queries; ++q) {
    float* to = job.out + q / job.heads_per_kv * job.out_stride + q % job.heads_per_kv * job.value_dim;
    for (int64_t d = 0; d < job.value_dim; ++d) to[d] = acc[q * value_stride + d] / total[q];
  }
}

static void attention(const AttentionJob& job) {
  if (job.half) {
    attention_over_pages<true>(job);
  } else {
    attention_over_pages<false>(job);
  }
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
