// Instructions that do the most operations, on enough independent registers to hide their latency. Each function is
// compiled for its own instruction set and includes nothing but intrinsics.
#include <immintrin.h>

#include "backend/cpu/peaks.h"

namespace da::backend::cpu {
namespace {

constexpr int kChains = 12;  // two a cycle, five cycles until a result can be used

// `step(sum)` on twelve named variables (an array would live in memory), hidden from the optimizer after each.
#define DA_HIDE(sum) asm volatile("" : "+v"(sum))
#define DA_HIDE_AVX(sum) asm volatile("" : "+x"(sum))  // the sixteen registers that all vector sets have
#define DA_PEAK_LOOP(Vector, zero, step)                                                                               \
  Vector s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero, s7 = zero, s8 = zero, s9 = zero, \
         s10 = zero, s11 = zero;                                                                                       \
  for (uint64_t i = 0; i < rounds; ++i) {                                                                              \
    step(s0) step(s1) step(s2) step(s3) step(s4) step(s5) step(s6) step(s7) step(s8) step(s9) step(s10) step(s11)      \
  }

__attribute__((target("avx512f,avx512bw,avx512vnni"))) uint64_t int8_avx512(uint64_t rounds) {
  const __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2);
#define DA_STEP(sum)                    \
  sum = _mm512_dpbusd_epi32(sum, a, b); \
  DA_HIDE(sum);
  DA_PEAK_LOOP(__m512i, _mm512_setzero_si512(), DA_STEP)
#undef DA_STEP
  return rounds * kChains * 64 * 2;
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) uint64_t bf16_avx512(uint64_t rounds) {
  const auto a = (__m512bh)_mm512_set1_epi16(0x3f80);
#define DA_STEP(sum)                 \
  sum = _mm512_dpbf16_ps(sum, a, a); \
  DA_HIDE(sum);
  DA_PEAK_LOOP(__m512, _mm512_setzero_ps(), DA_STEP)
#undef DA_STEP
  return rounds * kChains * 32 * 2;
}

__attribute__((target("avx512f"))) uint64_t f32_avx512(uint64_t rounds) {
  const __m512 a = _mm512_set1_ps(0.5F), b = _mm512_set1_ps(0.25F);
#define DA_STEP(sum)                \
  sum = _mm512_fmadd_ps(sum, a, b); \
  DA_HIDE(sum);
  DA_PEAK_LOOP(__m512, _mm512_setzero_ps(), DA_STEP)
#undef DA_STEP
  return rounds * kChains * 16 * 2;
}

__attribute__((target("avx2,avxvnni"))) uint64_t int8_avx_vnni(uint64_t rounds) {
  const __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2);
#define DA_STEP(sum)                        \
  sum = _mm256_dpbusd_avx_epi32(sum, a, b); \
  DA_HIDE_AVX(sum);
  DA_PEAK_LOOP(__m256i, _mm256_setzero_si256(), DA_STEP)
#undef DA_STEP
  return rounds * kChains * 32 * 2;
}

// Three instructions a product: bytes to words, words to sums, and the addition.
__attribute__((target("avx2"))) uint64_t int8_avx2(uint64_t rounds) {
  __m256i a = _mm256_set1_epi8(1);
  const __m256i b = _mm256_set1_epi8(2), ones = _mm256_set1_epi16(1);
#define DA_STEP(sum)                                                                \
  DA_HIDE_AVX(a);                                                                   \
  sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones)); \
  DA_HIDE_AVX(sum);
  DA_PEAK_LOOP(__m256i, _mm256_setzero_si256(), DA_STEP)
#undef DA_STEP
  return rounds * kChains * 32 * 2;
}

__attribute__((target("avx2,fma"))) uint64_t f32_avx2(uint64_t rounds) {
  const __m256 a = _mm256_set1_ps(0.5F), b = _mm256_set1_ps(0.25F);
#define DA_STEP(sum)                \
  sum = _mm256_fmadd_ps(sum, a, b); \
  DA_HIDE_AVX(sum);
  DA_PEAK_LOOP(__m256, _mm256_setzero_ps(), DA_STEP)
#undef DA_STEP
  return rounds * kChains * 8 * 2;
}

}  // namespace

PeakLoop int8_peak_loop() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512vnni")) return int8_avx512;
  if (__builtin_cpu_supports("avxvnni")) return int8_avx_vnni;
  return __builtin_cpu_supports("avx2") ? int8_avx2 : nullptr;
}

PeakLoop bf16_peak_loop() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16") ? bf16_avx512 : nullptr;
}

PeakLoop f32_peak_loop() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return f32_avx512;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? f32_avx2 : nullptr;
}

}  // namespace da::backend::cpu
