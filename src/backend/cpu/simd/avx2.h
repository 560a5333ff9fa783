#pragma once

// AVX2 with FMA and F16C, and the same with AVX-VNNI (DA_CPU_AVX_VNNI). Only for sources compiled for it.
#include <immintrin.h>

#ifdef DA_CPU_AVX_VNNI
#define DA_CPU_TARGET avxvnni
#define DA_CPU_TABLE kAvxVnniKernels
#define DA_CPU_NAME "avxvnni"
#else
#define DA_CPU_TARGET avx2
#define DA_CPU_TABLE kAvx2Kernels
#define DA_CPU_NAME "avx2"
#endif

namespace da::backend::cpu::DA_CPU_TARGET {

constexpr int kLanes = 8;
constexpr int kRegisters = 16;
constexpr int kUnroll = 8;  // of loops over registers
#ifdef DA_CPU_AVX_VNNI
constexpr bool kSignedQ8 = false;
constexpr bool kAnyUnsigned = true;  // dot4 takes codes up to 255
#else
constexpr bool kSignedQ8 = true;
constexpr bool kAnyUnsigned = false;
#endif

using VecF = __m256;   // 8 float32
using VecI = __m256i;  // 8 int32
using VecB = __m256i;  // 32 bytes

static inline VecF zero() { return _mm256_setzero_ps(); }
static inline VecF set1(float x) { return _mm256_set1_ps(x); }
static inline VecF load(const float* p) { return _mm256_loadu_ps(p); }
static inline void store(float* p, VecF x) { _mm256_storeu_ps(p, x); }
static inline VecF load_half(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
static inline void store_half(uint16_t* p, VecF x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline VecF load_bf16(const uint16_t* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
static inline VecF load_i8(const uint8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
static inline VecF load_u8(const uint8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
// Bits kShift .. kShift + 3 of each byte.
template <int kShift>
static inline VecF load_nibbles(const uint8_t* p) {
  const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(bytes, kShift), _mm256_set1_epi32(15)));
}
static inline float half_value(uint16_t half) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half))); }
static inline VecF fma(VecF a, VecF b, VecF c) { return _mm256_fmadd_ps(a, b, c); }
static inline VecF add(VecF a, VecF b) { return _mm256_add_ps(a, b); }
static inline VecF sub(VecF a, VecF b) { return _mm256_sub_ps(a, b); }
static inline VecF mul(VecF a, VecF b) { return _mm256_mul_ps(a, b); }
static inline VecF div(VecF a, VecF b) { return _mm256_div_ps(a, b); }
static inline VecF max(VecF a, VecF b) { return _mm256_max_ps(a, b); }  // b if either is NaN
static inline VecF min(VecF a, VecF b) { return _mm256_min_ps(a, b); }
static inline VecF abs(VecF a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), a); }
static inline VecF zero_if_less(VecF y, VecF x, VecF bound) {
  return _mm256_and_ps(_mm256_cmp_ps(x, bound, _CMP_NLT_UQ), y);
}
static inline float reduce_add(VecF a) {
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
static inline float reduce_max(VecF a) {
  __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  x = _mm_max_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
static inline VecI round_to_int(VecF a) { return _mm256_cvtps_epi32(a); }
static inline VecF to_float(VecI a) { return _mm256_cvtepi32_ps(a); }
static inline VecF power_of_two(VecI n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
static inline VecI add_i(VecI a, VecI b) { return _mm256_add_epi32(a, b); }
static inline int reduce_add_i(VecI a) {
  __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xB1)));
}
static inline void store_i8(int8_t* p, VecI a) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}

static inline VecI set1_i(int32_t x) { return _mm256_set1_epi32(x); }
// (sum - kSumBias) * scale, rounded once; bias is -scale * 1.5 * 2^23.
static inline VecF scale_sum(VecI sum, float scale, float bias) {
  return _mm256_fmadd_ps(_mm256_castsi256_ps(sum), _mm256_set1_ps(scale), _mm256_set1_ps(bias));
}
static inline VecF as_float(VecI bits) { return _mm256_castsi256_ps(bits); }
// Memory that is read soon; the address may be anywhere.
static inline void prefetch(const uint8_t* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }
static inline VecB load_bytes(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
static inline void store_bytes(uint8_t* p, VecB x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
static inline VecB add_bytes(VecB a, int b) { return _mm256_add_epi8(a, _mm256_set1_epi8(static_cast<char>(b))); }
static inline VecB or_bytes(VecB a, VecB b) { return _mm256_or_si256(a, b); }
// words[w]: the word w of the 16 bytes at p + lane * stride of each lane.
static inline void load_words(const uint8_t* p, int64_t stride, VecB* words) {
  const auto quad = [&](int row) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + row * stride)); };
  VecB rows[4];  // of 128 bits at a time: rows k, k + 4 ...
  for (int k = 0; k < 4; ++k) {
    rows[k] = _mm256_inserti128_si256(_mm256_castsi128_si256(quad(k)), quad(k + 4), 1);
  }
  const VecB low01 = _mm256_unpacklo_epi32(rows[0], rows[1]), high01 = _mm256_unpackhi_epi32(rows[0], rows[1]);
  const VecB low23 = _mm256_unpacklo_epi32(rows[2], rows[3]), high23 = _mm256_unpackhi_epi32(rows[2], rows[3]);
  words[0] = _mm256_unpacklo_epi64(low01, low23);
  words[1] = _mm256_unpackhi_epi64(low01, low23);
  words[2] = _mm256_unpacklo_epi64(high01, high23);
  words[3] = _mm256_unpackhi_epi64(high01, high23);
}
// The word at p + lane * stride of each lane; stride times lanes below 2^31.
static inline VecB gather_words(const uint8_t* p, int64_t stride) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_i32gather_epi32(reinterpret_cast<const int*>(p),
                                _mm256_mullo_epi32(lane, _mm256_set1_epi32(static_cast<int>(stride))), 1);
}
// Each lane's bytes at `first` and `second` as its two 16-bit halves.
static inline VecB load_u8_pairs(const uint8_t* first, const uint8_t* second) {
  const __m256i low = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(first)));
  const __m256i high = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(second)));
  return _mm256_or_si256(low, _mm256_slli_epi32(high, 16));
}
// The low bytes, and the low 16 bits, of all lanes.
static inline void store_low16(uint8_t* p, VecB x) {
  const __m256i low = _mm256_and_si256(x, _mm256_set1_epi32(0xFFFF));
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
}
static inline void store_low8(uint8_t* p, VecB x) {
  alignas(16) uint8_t words[16];
  store_low16(words, _mm256_and_si256(x, _mm256_set1_epi32(0xFF)));
  const __m128i both = _mm_load_si128(reinterpret_cast<const __m128i*>(words));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(both, both));
}
// Lanes shifted right.
template <int kShift>
static inline VecB shift_words(VecB x) {
  return _mm256_srli_epi32(x, kShift);
}
// table[code] of each byte, codes below 16.
static inline VecB look_up16(const uint8_t* table, VecB codes) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table))),
                             codes);
}
// Each byte shifted right (left if negative) by kShift and masked; the mask takes what crossed from a neighbour.
template <int kShift, int kMask>
static inline VecB shift_mask(VecB a) {
  if constexpr (kShift > 0) a = _mm256_srli_epi16(a, kShift);
  if constexpr (kShift < 0) a = _mm256_slli_epi16(a, -kShift);
  return _mm256_and_si256(a, _mm256_set1_epi8(static_cast<char>(kMask)));
}
static inline VecB broadcast4(const int8_t* a) {
  int a4;
  __builtin_memcpy(&a4, a, 4);
  return _mm256_set1_epi32(a4);
}
// acc[lane] += pairs[2 * lane] * a[2 * lane] + pairs[2 * lane + 1] * a[2 * lane + 1], 16 bits each.
static inline VecI dot2(VecI acc, VecB pairs, VecB a) { return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, a)); }
#ifdef DA_CPU_AVX_VNNI
// acc[lane] += sum of 4 of codes[4 * lane + j] * a[4 * lane + j], codes unsigned.
static inline VecI dot4(VecI acc, VecB codes, VecB a) { return _mm256_dpbusd_avx_epi32(acc, codes, a); }
// Not used: kSignedQ8 is false.
static inline VecI dot4_signed(VecI acc, VecB codes, VecB a) { return dot4(acc, codes, a); }
#else
static inline VecI dot4_bytes(VecI acc, __m256i unsigned_bytes, __m256i signed_bytes) {
  const __m256i pairs = _mm256_maddubs_epi16(unsigned_bytes, signed_bytes);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
// acc[lane] += sum of 4 of codes[4 * lane + j] * a[4 * lane + j], codes unsigned, at most 127: pairs then fit 16 bits.
static inline VecI dot4(VecI acc, VecB codes, VecB a) { return dot4_bytes(acc, codes, a); }
// The same for signed codes: the sign moves to the activation (never -128), and 2 * 128 * 127 fits 16 bits.
static inline VecI dot4_signed(VecI acc, VecB codes, VecB a) {
  return dot4_bytes(acc, _mm256_abs_epi8(codes), _mm256_sign_epi8(a, codes));
}
#endif

}  // namespace da::backend::cpu::DA_CPU_TARGET
