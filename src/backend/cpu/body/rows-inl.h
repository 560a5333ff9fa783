// Operations on single rows of activations; included once by each target, after its simd header.

namespace da::backend::cpu::DA_CPU_TARGET {

// e^x within about 1 ulp; 0 below -87, NaN stays NaN. 2^n * e^r with |r| <= ln(2)/2 and a polynomial of degree 6.
static inline VecF exp(VecF x) {
  const VecF clamped = min(set1(88.0F), max(set1(-87.0F), x));
  const VecI n = round_to_int(mul(clamped, set1(1.44269504F)));
  const VecF nf = to_float(n);
  // ln 2 in two parts, so that n * ln 2 loses nothing.
  VecF r = fma(nf, set1(-0.693359375F), clamped);
  r = fma(nf, set1(2.12194440e-4F), r);
  VecF p = set1(1.9875691500e-4F);
  p = fma(p, r, set1(1.3981999507e-3F));
  p = fma(p, r, set1(8.3334519073e-3F));
  p = fma(p, r, set1(4.1665795894e-2F));
  p = fma(p, r, set1(1.6666665459e-1F));
  p = fma(p, r, set1(5.0000001201e-1F));
  p = add(fma(p, mul(r, r), r), set1(1.0F));
  return zero_if_less(mul(p, power_of_two(n)), x, set1(-87.0F));
}

static inline VecF tanh(VecF x) { return sub(set1(1.0F), div(set1(2.0F), add(exp(add(x, x)), set1(1.0F)))); }

// The first n lanes (fewer than kLanes) of memory that ends there; the others are 0.
static inline VecF load_some(const float* p, int64_t n) {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
static inline void store_some(float* p, VecF x, int64_t n) {
  float lanes[kLanes];
  store(lanes, x);
  for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
}

static inline int32_t first_sum_of(uint32_t sum) { return static_cast<int32_t>(kSumBias - 128 * sum); }

// Rounds n values (a multiple of 16) times `inverse` to codes; their sums, of 16 each, are anything and may wrap where
// a value is no number.
static inline void round_codes(const VecF* x, int n, float inverse, int8_t* codes, uint32_t* sums16) {
  for (int i = 0; i < n / kLanes; ++i) {
    const VecI code = round_to_int(mul(x[i], set1(inverse)));
    store_i8(codes + i * kLanes, code);
    sums16[i * kLanes / 16] += static_cast<uint32_t>(reduce_add_i(code));
  }
}

// What the codes' scale is to be; NaN if a value is not finite, lest a NaN round to 0.
static inline float scale_of(const VecF* x, int n) {
  VecF largest = zero(), poison = zero();  // poison is 0 or NaN
  for (int i = 0; i < n / kLanes; ++i) {
    largest = max(largest, abs(x[i]));
    poison = fma(x[i], zero(), poison);
  }
  return reduce_max(largest) / 127.0F + reduce_add(poison);
}
static inline float inverse_of(float scale) { return scale > 1e-30F ? 1.0F / scale : 0.0F; }

static void quantize(const float* values, int64_t n, QuantBlock* out) {
  constexpr int kVectors = 32 / kLanes;
  for (int64_t begin = 0; begin < n; begin += 32, values += 32, ++out) {
    VecF x[kVectors];
    for (int i = 0; i < kVectors; ++i) x[i] = load(values + i * kLanes);
    // Without its last two bits, three times the scale is exact: so is what scale_sum() takes off.
    const float scale = __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, scale_of(x, 32)) & ~3U);
    uint32_t half_sums[2] = {0, 0};
    round_codes(x, 32, inverse_of(scale), out->codes, half_sums);
    out->scale = scale;
    out->scale_bias = scale * -12582912.0F;
    out->first_sum = first_sum_of(half_sums[0] + half_sums[1]);
    out->negative_value_sum = scale * -static_cast<float>(static_cast<int32_t>(half_sums[0] + half_sums[1]));
    for (int h = 0; h < 2; ++h) out->first_sum16[h] = first_sum_of(half_sums[h]);
  }
}

static void quantize_long(const float* values, int64_t n, QuantLongBlock* out) {
  for (int64_t begin = 0; begin < n; begin += kLongBlock, values += kLongBlock, ++out) {
    VecF x[kLongBlock / kLanes];
    for (int i = 0; i < kLongBlock / kLanes; ++i) x[i] = load(values + i * kLanes);
    const float scale = scale_of(x, kLongBlock);
    uint32_t sums16[kLongBlock / 16] = {};
    round_codes(x, kLongBlock, inverse_of(scale), out->codes, sums16);
    out->scale = scale;
    for (int i = 0; i < kLongBlock / 16; ++i) {
      out->first_sums16[i] = static_cast<int32_t>(kChainBias - 128 * sums16[i]);
      out->sums16[i] = static_cast<int16_t>(sums16[i]);
    }
    for (int i = 0; i < kLongBlock / 32; ++i) {
      const uint32_t sum = sums16[2 * i] + sums16[2 * i + 1];
      out->first_sums32[i] = static_cast<int32_t>(kChainBias - 128 * sum);
      out->sums32[i] = static_cast<int16_t>(sum);
    }
  }
}

static float dot(const float* a, const float* b, int64_t n) {
  VecF sum0 = zero(), sum1 = zero();
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    sum0 = fma(load(a + i), load(b + i), sum0);
    sum1 = fma(load(a + i + kLanes), load(b + i + kLanes), sum1);
  }
  for (; i < n; i += kLanes) {
    const int64_t left = n - i < kLanes ? n - i : kLanes;
    sum0 = fma(load_some(a + i, left), load_some(b + i, left), sum0);
  }
  return reduce_add(add(sum0, sum1));
}

static float sum(const float* a, int64_t n) {
  VecF total = zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) total = add(total, load(a + i));
  if (i < n) total = add(total, load_some(a + i, n - i));
  return reduce_add(total);
}

// out = (or +=) (in - mean) * factor * weight + bias
static void scale_row(NormJob job, float mean, float factor) {  // a copy: stores might change the original
  const VecF m = set1(mean), f = set1(factor);
  const int64_t n = job.n;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    VecF y = mul(sub(load(job.in + i), m), f);
    if (job.weight != nullptr) y = mul(y, load(job.weight + i));
    if (job.bias != nullptr) y = add(y, load(job.bias + i));
    if (job.accumulate) y = add(load(job.out + i), y);
    store(job.out + i, y);
  }
  if (i < n) {
    const int64_t left = n - i;
    VecF y = mul(sub(load_some(job.in + i, left), m), f);
    if (job.weight != nullptr) y = mul(y, load_some(job.weight + i, left));
    if (job.bias != nullptr) y = add(y, load_some(job.bias + i, left));
    if (job.accumulate) y = add(load_some(job.out + i, left), y);
    store_some(job.out + i, y, left);
  }
}

static void rms_norm(const NormJob& job) {
  const float mean_square = dot(job.in, job.in, job.n) / static_cast<float>(job.n);
  scale_row(job, 0.0F, 1.0F / __builtin_sqrtf(mean_square + job.eps));
}

static void layer_norm(const NormJob& job) {
  const float* in = job.in;
  const int64_t n = job.n;
  const float mean = sum(in, n) / static_cast<float>(n);
  VecF total = zero();
  float rest = 0;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const VecF x = sub(load(in + i), set1(mean));
    total = fma(x, x, total);
  }
  for (; i < n; ++i) rest += (in[i] - mean) * (in[i] - mean);
  const float variance = (reduce_add(total) + rest) / static_cast<float>(n);
  scale_row(job, mean, 1.0F / __builtin_sqrtf(variance + job.eps));
}

static inline VecF sigmoid_times(VecF x, float steepness) {
  return div(x, add(set1(1.0F), exp(mul(x, set1(-steepness)))));
}

static inline VecF gelu_tanh(VecF x) {
  const VecF inner = mul(set1(0.79788456F), fma(mul(set1(0.044715F), mul(x, x)), x, x));
  return mul(mul(set1(0.5F), x), add(set1(1.0F), tanh(inner)));
}

static inline VecF gate_of(GateFunction function, VecF x, VecF up) {
  switch (function) {
    case GateFunction::kSilu:
      return mul(sigmoid_times(x, 1.0F), up);
    case GateFunction::kGeluTanh:
      return mul(gelu_tanh(x), up);
    case GateFunction::kSwigluOai:
      return mul(sigmoid_times(min(set1(7.0F), x), 1.702F), add(max(set1(-7.0F), min(set1(7.0F), up)), set1(1.0F)));
  }
  return x;
}

// The choice of function stands outside the loop.
template <GateFunction kFunction, bool kHasUp>
static void gate_row(const float* gate_in, const float* up, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    store(out + i, gate_of(kFunction, load(gate_in + i), kHasUp ? load(up + i) : set1(1.0F)));
  if (i < n) {
    const int64_t left = n - i;
    const VecF u = kHasUp ? load_some(up + i, left) : set1(1.0F);
    store_some(out + i, gate_of(kFunction, load_some(gate_in + i, left), u), left);
  }
}

template <GateFunction kFunction>
static void gate_any(const float* gate_in, const float* up, int64_t n, float* out) {
  up == nullptr ? gate_row<kFunction, false>(gate_in, up, n, out) : gate_row<kFunction, true>(gate_in, up, n, out);
}

static void gate(GateFunction function, const float* gate_in, const float* up, int64_t n, float* out) {
  switch (function) {
    case GateFunction::kSilu:
      return gate_any<GateFunction::kSilu>(gate_in, up, n, out);
    case GateFunction::kGeluTanh:
      return gate_any<GateFunction::kGeluTanh>(gate_in, up, n, out);
    case GateFunction::kSwigluOai:
      return gate_any<GateFunction::kSwigluOai>(gate_in, up, n, out);
  }
}

static void to_half(const float* values, int64_t n, uint16_t* out) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_half(out + i, load(values + i));
  if (i < n) {
    uint16_t lanes[kLanes];
    store_half(lanes, load_some(values + i, n - i));
    for (int64_t j = 0; i + j < n; ++j) out[i + j] = lanes[j];
  }
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
