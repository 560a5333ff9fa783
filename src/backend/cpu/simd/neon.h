#pragma once

// ARM NEON with the dot-product instructions (ARMv8.2-A +dotprod), by neon_i8mm.h with the matrix products too. Only
// for sources compiled for it.
#include <arm_neon.h>

#ifdef DA_CPU_I8MM
#define DA_CPU_TARGET neon_i8mm
#define DA_CPU_TABLE kNeonI8mmKernels
#define DA_CPU_NAME "neon_i8mm"
#define DA_CPU_TILE "backend/cpu/body/tile_matrix-inl.h"
#else
#define DA_CPU_TARGET neon
#define DA_CPU_TABLE kNeonKernels
#define DA_CPU_NAME "neon"
#endif

namespace da::backend::cpu::DA_CPU_TARGET {

constexpr int kLanes = 4;
constexpr int kRegisters = 32;
constexpr int kUnroll = 8;  // of loops over registers
constexpr bool kSignedQ8 = true;
constexpr bool kAnyUnsigned = false;  // dot4 takes codes up to 127

using VecF = float32x4_t;
using VecI = int32x4_t;
using VecB = uint8x16_t;

static inline VecF zero() { return vdupq_n_f32(0.0F); }
static inline VecF set1(float x) { return vdupq_n_f32(x); }
static inline VecF load(const float* p) { return vld1q_f32(p); }
static inline void store(float* p, VecF x) { vst1q_f32(p, x); }
static inline VecF load_half(const uint16_t* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline void store_half(uint16_t* p, VecF x) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
static inline VecF load_bf16(const uint16_t* p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
// Four bytes, the low half of eight.
static inline uint8x8_t load_four(const uint8_t* p) {
  uint32_t bytes;
  __builtin_memcpy(&bytes, p, 4);
  return vreinterpret_u8_u32(vdup_n_u32(bytes));
}
static inline VecF load_i8(const uint8_t* p) {
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(load_four(p))))));
}
static inline VecF load_u8(const uint8_t* p) { return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(load_four(p))))); }
// Bits kShift .. kShift + 3 of each byte.
template <int kShift>
static inline VecF load_nibbles(const uint8_t* p) {
  uint8x8_t bytes = load_four(p);
  if constexpr (kShift > 0) bytes = vshr_n_u8(bytes, kShift);
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vand_u8(bytes, vdup_n_u8(15))))));
}
static inline float half_value(uint16_t half) {
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
}
static inline VecF fma(VecF a, VecF b, VecF c) { return vfmaq_f32(c, a, b); }
static inline VecF add(VecF a, VecF b) { return vaddq_f32(a, b); }
static inline VecF sub(VecF a, VecF b) { return vsubq_f32(a, b); }
static inline VecF mul(VecF a, VecF b) { return vmulq_f32(a, b); }
static inline VecF div(VecF a, VecF b) { return vdivq_f32(a, b); }
static inline VecF max(VecF a, VecF b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }  // b if either is NaN
static inline VecF min(VecF a, VecF b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline VecF abs(VecF a) { return vabsq_f32(a); }
static inline VecF zero_if_less(VecF y, VecF x, VecF bound) {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(y), vcltq_f32(x, bound)));
}
static inline float reduce_add(VecF a) { return vaddvq_f32(a); }
static inline float reduce_max(VecF a) { return vmaxvq_f32(a); }
static inline VecI round_to_int(VecF a) { return vcvtnq_s32_f32(a); }
static inline VecF to_float(VecI a) { return vcvtq_f32_s32(a); }
static inline VecF power_of_two(VecI n) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}
static inline VecI add_i(VecI a, VecI b) { return vaddq_s32(a, b); }
static inline int reduce_add_i(VecI a) { return vaddvq_s32(a); }
static inline void store_i8(int8_t* p, VecI a) {
  const int16x4_t words = vmovn_s32(a);
  const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
  __builtin_memcpy(p, &bytes, 4);
}

static inline VecI set1_i(int32_t x) { return vdupq_n_s32(x); }
// (sum - kSumBias) * scale, rounded once; bias is -scale * 1.5 * 2^23.
static inline VecF scale_sum(VecI sum, float scale, float bias) {
  return vfmaq_n_f32(vdupq_n_f32(bias), vreinterpretq_f32_s32(sum), scale);
}
static inline VecF as_float(VecI bits) { return vreinterpretq_f32_s32(bits); }
// Memory that is read soon; the address may be anywhere.
static inline void prefetch(const uint8_t* p) { __builtin_prefetch(p); }
static inline VecB load_bytes(const uint8_t* p) { return vld1q_u8(p); }
static inline void store_bytes(uint8_t* p, VecB x) { vst1q_u8(p, x); }
static inline VecB add_bytes(VecB a, int b) { return vaddq_u8(a, vdupq_n_u8(static_cast<uint8_t>(b))); }
static inline VecB or_bytes(VecB a, VecB b) { return vorrq_u8(a, b); }
// words[w]: the word w of the 16 bytes at p + lane * stride of each lane.
static inline void load_words(const uint8_t* p, int64_t stride, VecB* words) {
  const auto row = [&](int r) { return vreinterpretq_u32_u8(vld1q_u8(p + r * stride)); };
  const uint64x2_t even01 = vreinterpretq_u64_u32(vtrn1q_u32(row(0), row(1)));  // words 0 and 2
  const uint64x2_t even23 = vreinterpretq_u64_u32(vtrn1q_u32(row(2), row(3)));
  const uint64x2_t odd01 = vreinterpretq_u64_u32(vtrn2q_u32(row(0), row(1)));
  const uint64x2_t odd23 = vreinterpretq_u64_u32(vtrn2q_u32(row(2), row(3)));
  words[0] = vreinterpretq_u8_u64(vtrn1q_u64(even01, even23));
  words[1] = vreinterpretq_u8_u64(vtrn1q_u64(odd01, odd23));
  words[2] = vreinterpretq_u8_u64(vtrn2q_u64(even01, even23));
  words[3] = vreinterpretq_u8_u64(vtrn2q_u64(odd01, odd23));
}
// The word at p + lane * stride of each lane.
static inline VecB gather_words(const uint8_t* p, int64_t stride) {
  uint32_t words[kLanes];
  for (int i = 0; i < kLanes; ++i) __builtin_memcpy(words + i, p + i * stride, 4);
  return vreinterpretq_u8_u32(vld1q_u32(words));
}
// Each lane's bytes at `first` and `second` as its two 16-bit halves.
static inline VecB load_u8_pairs(const uint8_t* first, const uint8_t* second) {
  return vreinterpretq_u8_u16(vmovl_u8(vzip1_u8(load_four(first), load_four(second))));
}
// The low bytes, and the low 16 bits, of all lanes.
static inline void store_low16(uint8_t* p, VecB x) {
  vst1_u8(p, vreinterpret_u8_u16(vmovn_u32(vreinterpretq_u32_u8(x))));
}
static inline void store_low8(uint8_t* p, VecB x) {
  const uint16x4_t words = vmovn_u32(vreinterpretq_u32_u8(x));
  const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
  __builtin_memcpy(p, &bytes, 4);
}
// Lanes shifted right.
template <int kShift>
static inline VecB shift_words(VecB x) {
  return vreinterpretq_u8_u32(vshrq_n_u32(vreinterpretq_u32_u8(x), kShift));
}
// table[code] of each byte, codes below 16.
static inline VecB look_up16(const uint8_t* table, VecB codes) { return vqtbl1q_u8(vld1q_u8(table), codes); }
// Each byte shifted right (left if negative) by kShift and masked.
template <int kShift, int kMask>
static inline VecB shift_mask(VecB a) {
  if constexpr (kShift > 0) a = vshrq_n_u8(a, kShift);
  if constexpr (kShift < 0) a = vshlq_n_u8(a, -kShift);
  return vandq_u8(a, vdupq_n_u8(kMask));
}
static inline VecB broadcast4(const int8_t* a) {
  int32_t a4;
  __builtin_memcpy(&a4, a, 4);
  return vreinterpretq_u8_s32(vdupq_n_s32(a4));
}
// acc[lane] += pairs[2 * lane] * a[2 * lane] + pairs[2 * lane + 1] * a[2 * lane + 1], 16 bits each.
static inline VecI dot2(VecI acc, VecB pairs, VecB a) {
  const int16x8_t x = vreinterpretq_s16_u8(pairs), y = vreinterpretq_s16_u8(a);
  return vaddq_s32(acc, vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y)));
}
// acc[lane] += sum of 4 of codes[4 * lane + j] * a[4 * lane + j]; as signed bytes all codes of either kind are right.
static inline VecI dot4(VecI acc, VecB codes, VecB a) {
  return vdotq_s32(acc, vreinterpretq_s8_u8(codes), vreinterpretq_s8_u8(a));
}
static inline VecI dot4_signed(VecI acc, VecB codes, VecB a) { return dot4(acc, codes, a); }

#ifdef DA_CPU_I8MM
// Words a0 b0 a1 b1, and a2 b2 a3 b3.
static inline void interleave_words(VecB& a, VecB& b) {
  const uint32x4_t first = vreinterpretq_u32_u8(a), second = vreinterpretq_u32_u8(b);
  a = vreinterpretq_u8_u32(vzip1q_u32(first, second));
  b = vreinterpretq_u8_u32(vzip2q_u32(first, second));
}
// The low halves of both, and the high halves: its own inverse.
static inline void exchange_halves(VecI& a, VecI& b) {
  const int64x2_t first = vreinterpretq_s64_s32(a), second = vreinterpretq_s64_s32(b);
  a = vreinterpretq_s32_s64(vtrn1q_s64(first, second));
  b = vreinterpretq_s32_s64(vtrn2q_s64(first, second));
}
static inline VecB load_two_rows(const int8_t* a, const int8_t* b) {
  return vreinterpretq_u8_s8(vcombine_s8(vld1_s8(a), vld1_s8(b)));
}
// acc[2 * i + j] += sum of 8 of a[8 * i + k] * codes[8 * j + k]
static inline VecI matrix_dot8(VecI acc, VecB a, VecB codes) {
  return vmmlaq_s32(acc, vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(codes));
}
#endif

}  // namespace da::backend::cpu::DA_CPU_TARGET
