#pragma once

// AVX-512 with VNNI. Only for sources compiled for it.
#include <immintrin.h>

#define DA_CPU_TARGET avx512vnni
#define DA_CPU_TABLE kAvx512VnniKernels
#define DA_CPU_NAME "avx512vnni"

namespace da::backend::cpu::avx512vnni {

constexpr int kLanes = 16;
constexpr int kRegisters = 32;
constexpr int kUnroll = 8;  // of loops over registers
constexpr bool kSignedQ8 = false;
constexpr bool kAnyUnsigned = true;  // dot4 takes codes up to 255

using VecF = __m512;   // 16 float32
using VecI = __m512i;  // 16 int32
using VecB = __m512i;  // 64 bytes

static inline VecF zero() { return _mm512_setzero_ps(); }
static inline VecF set1(float x) { return _mm512_set1_ps(x); }
static inline VecF load(const float* p) { return _mm512_loadu_ps(p); }
static inline void store(float* p, VecF x) { _mm512_storeu_ps(p, x); }
static inline VecF load_half(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
static inline void store_half(uint16_t* p, VecF x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline VecF load_bf16(const uint16_t* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
static inline VecF load_i8(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
static inline VecF load_u8(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
// Bits kShift .. kShift + 3 of each byte.
template <int kShift>
static inline VecF load_nibbles(const uint8_t* p) {
  const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32(bytes, kShift), _mm512_set1_epi32(15)));
}
static inline float half_value(uint16_t half) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half))); }
static inline VecF fma(VecF a, VecF b, VecF c) { return _mm512_fmadd_ps(a, b, c); }
static inline VecF add(VecF a, VecF b) { return _mm512_add_ps(a, b); }
static inline VecF sub(VecF a, VecF b) { return _mm512_sub_ps(a, b); }
static inline VecF mul(VecF a, VecF b) { return _mm512_mul_ps(a, b); }
static inline VecF div(VecF a, VecF b) { return _mm512_div_ps(a, b); }
static inline VecF max(VecF a, VecF b) { return _mm512_max_ps(a, b); }  // b if either is NaN
static inline VecF min(VecF a, VecF b) { return _mm512_min_ps(a, b); }
static inline VecF abs(VecF a) { return _mm512_abs_ps(a); }
static inline VecF zero_if_less(VecF y, VecF x, VecF bound) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, bound, _CMP_NLT_UQ), y);
}
static inline float reduce_add(VecF a) { return _mm512_reduce_add_ps(a); }
static inline float reduce_max(VecF a) { return _mm512_reduce_max_ps(a); }
static inline VecI round_to_int(VecF a) { return _mm512_cvtps_epi32(a); }
static inline VecF to_float(VecI a) { return _mm512_cvtepi32_ps(a); }
static inline VecF power_of_two(VecI n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
}
static inline VecI add_i(VecI a, VecI b) { return _mm512_add_epi32(a, b); }
static inline int reduce_add_i(VecI a) { return _mm512_reduce_add_epi32(a); }
static inline void store_i8(int8_t* p, VecI a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a));
}

static inline VecI set1_i(int32_t x) { return _mm512_set1_epi32(x); }
// (sum - kSumBias) * scale, rounded once; bias is -scale * 1.5 * 2^23.
static inline VecF scale_sum(VecI sum, float scale, float bias) {
  return _mm512_fmadd_ps(_mm512_castsi512_ps(sum), _mm512_set1_ps(scale), _mm512_set1_ps(bias));
}
static inline VecF as_float(VecI bits) { return _mm512_castsi512_ps(bits); }
// Memory that is read soon; the address may be anywhere.
static inline void prefetch(const uint8_t* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }
static inline VecB load_bytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
static inline void store_bytes(uint8_t* p, VecB x) { _mm512_storeu_si512(p, x); }
static inline VecB add_bytes(VecB a, int b) { return _mm512_add_epi8(a, _mm512_set1_epi8(static_cast<char>(b))); }
static inline VecB or_bytes(VecB a, VecB b) { return _mm512_or_si512(a, b); }
// words[w]: the word w of the 16 bytes at p + lane * stride of each lane.
static inline void load_words(const uint8_t* p, int64_t stride, VecB* words) {
  const auto quad = [&](int row) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + row * stride)); };
  VecB rows[4];  // of 128 bits at a time: rows k, k + 4 ...
  for (int k = 0; k < 4; ++k) {
    rows[k] = _mm512_inserti32x4(_mm512_castsi128_si512(quad(k)), quad(k + 4), 1);
    rows[k] = _mm512_inserti32x4(_mm512_inserti32x4(rows[k], quad(k + 8), 2), quad(k + 12), 3);
  }
  const VecB low01 = _mm512_unpacklo_epi32(rows[0], rows[1]), high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
  const VecB low23 = _mm512_unpacklo_epi32(rows[2], rows[3]), high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
  words[0] = _mm512_unpacklo_epi64(low01, low23);
  words[1] = _mm512_unpackhi_epi64(low01, low23);
  words[2] = _mm512_unpacklo_epi64(high01, high23);
  words[3] = _mm512_unpackhi_epi64(high01, high23);
}
// The word at p + lane * stride of each lane; stride times lanes below 2^31.
static inline VecB gather_words(const uint8_t* p, int64_t stride) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_i32gather_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(stride))), p, 1);
}
// Each lane's bytes at `first` and `second` as its two 16-bit halves.
static inline VecB load_u8_pairs(const uint8_t* first, const uint8_t* second) {
  const __m512i low = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(first)));
  const __m512i high = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(second)));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}
// The low bytes, and the low 16 bits, of all lanes.
static inline void store_low8(uint8_t* p, VecB x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
}
static inline void store_low16(uint8_t* p, VecB x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(x));
}
// Lanes shifted right.
template <int kShift>
static inline VecB shift_words(VecB x) {
  return _mm512_srli_epi32(x, kShift);
}
// table[code] of each byte, codes below 16.
static inline VecB look_up16(const uint8_t* table, VecB codes) {
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(table))), codes);
}
// Each byte shifted right (left if negative) by kShift and masked; the mask takes what crossed from a neighbour.
template <int kShift, int kMask>
static inline VecB shift_mask(VecB a) {
  if constexpr (kShift > 0) a = _mm512_srli_epi16(a, kShift);
  if constexpr (kShift < 0) a = _mm512_slli_epi16(a, -kShift);
  return _mm512_and_si512(a, _mm512_set1_epi8(static_cast<char>(kMask)));
}
static inline VecB broadcast4(const int8_t* a) {
  int a4;
  __builtin_memcpy(&a4, a, 4);
  return _mm512_set1_epi32(a4);
}
// acc[lane] += pairs[2 * lane] * a[2 * lane] + pairs[2 * lane + 1] * a[2 * lane + 1], 16 bits each.
static inline VecI dot2(VecI acc, VecB pairs, VecB a) { return _mm512_dpwssd_epi32(acc, pairs, a); }
// acc[lane] += sum of 4 of codes[4 * lane + j] * a[4 * lane + j], codes unsigned.
static inline VecI dot4(VecI acc, VecB codes, VecB a) { return _mm512_dpbusd_epi32(acc, codes, a); }
// Not used: kSignedQ8 is false.
static inline VecI dot4_signed(VecI acc, VecB codes, VecB a) { return dot4(acc, codes, a); }

}  // namespace da::backend::cpu::avx512vnni
