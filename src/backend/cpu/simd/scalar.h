#pragma once

// The reference: plain C++, one loop over the lanes for each operation. Also what runs where no vector target fits.
#define DA_CPU_TARGET scalar
#define DA_CPU_TABLE kScalarKernels
#define DA_CPU_NAME "scalar"

namespace da::backend::cpu::scalar {

constexpr int kLanes = 8;
constexpr int kRegisters = 16;
constexpr int kUnroll = 1;  // there are no registers to fill
constexpr bool kSignedQ8 = false;
constexpr bool kAnyUnsigned = true;  // dot4 takes codes up to 255

struct VecF {
  float v[kLanes];
};
struct VecI {
  int32_t v[kLanes];
};
struct VecB {
  uint8_t v[4 * kLanes];
};

template <class Function>
static inline VecF each(Function function) {
  VecF out;
  for (int i = 0; i < kLanes; ++i) out.v[i] = function(i);
  return out;
}

static inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t magnitude = half & 0x7FFF;
  if (magnitude >= 0x7C00) return __builtin_bit_cast(float, sign | 0x7F800000 | (magnitude & 0x3FF) << 13);
  if (magnitude < 0x400) {
    return __builtin_bit_cast(float, sign | __builtin_bit_cast(uint32_t, static_cast<float>(magnitude) * 0x1p-24F));
  }
  return __builtin_bit_cast(float, sign | ((magnitude << 13) + (112U << 23)));
}
static inline uint16_t float_to_half(float value) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, value), magnitude = bits & 0x7FFFFFFF;
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  if (magnitude > 0x7F800000) return static_cast<uint16_t>(sign | 0x7E00 | (magnitude >> 13 & 0x3FF));
  if (magnitude >= 0x477FF000) return sign | 0x7C00;
  if (magnitude < 0x38800000) {
    const float shifted = __builtin_bit_cast(float, magnitude) + 0.5F;
    return static_cast<uint16_t>(sign | (__builtin_bit_cast(uint32_t, shifted) - 0x3F000000));
  }
  const uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | (rounded - (112U << 23)) >> 13);
}

static inline VecF zero() {
  return each([](int) { return 0.0F; });
}
static inline VecF set1(float x) {
  return each([=](int) { return x; });
}
static inline VecF load(const float* p) {
  return each([=](int i) { return p[i]; });
}
static inline void store(float* p, VecF x) {
  for (int i = 0; i < kLanes; ++i) p[i] = x.v[i];
}
static inline VecF load_half(const uint16_t* p) {
  return each([=](int i) { return half_to_float(p[i]); });
}
static inline void store_half(uint16_t* p, VecF x) {
  for (int i = 0; i < kLanes; ++i) p[i] = float_to_half(x.v[i]);
}
static inline VecF load_bf16(const uint16_t* p) {
  return each([=](int i) { return __builtin_bit_cast(float, static_cast<uint32_t>(p[i]) << 16); });
}
static inline VecF load_i8(const uint8_t* p) {
  return each([=](int i) { return static_cast<float>(static_cast<int8_t>(p[i])); });
}
static inline VecF load_u8(const uint8_t* p) {
  return each([=](int i) { return static_cast<float>(p[i]); });
}
// Bits kShift .. kShift + 3 of each byte.
template <int kShift>
static inline VecF load_nibbles(const uint8_t* p) {
  return each([=](int i) { return static_cast<float>(p[i] >> kShift & 15); });
}
static inline float half_value(uint16_t half) { return half_to_float(half); }
static inline VecF fma(VecF a, VecF b, VecF c) {
  return each([=](int i) { return a.v[i] * b.v[i] + c.v[i]; });
}
static inline VecF add(VecF a, VecF b) {
  return each([=](int i) { return a.v[i] + b.v[i]; });
}
static inline VecF sub(VecF a, VecF b) {
  return each([=](int i) { return a.v[i] - b.v[i]; });
}
static inline VecF mul(VecF a, VecF b) {
  return each([=](int i) { return a.v[i] * b.v[i]; });
}
static inline VecF div(VecF a, VecF b) {
  return each([=](int i) { return a.v[i] / b.v[i]; });
}
static inline VecF max(VecF a, VecF b) {
  return each([=](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
static inline VecF min(VecF a, VecF b) {
  return each([=](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
static inline VecF abs(VecF a) {
  return each([=](int i) { return __builtin_fabsf(a.v[i]); });
}
static inline VecF zero_if_less(VecF y, VecF x, VecF bound) {
  return each([=](int i) { return x.v[i] < bound.v[i] ? 0.0F : y.v[i]; });
}
static inline float reduce_add(VecF a) {
  return ((a.v[0] + a.v[4]) + (a.v[2] + a.v[6])) + ((a.v[1] + a.v[5]) + (a.v[3] + a.v[7]));
}
static inline float reduce_max(VecF a) {
  float out = a.v[0];
  for (int i = 1; i < kLanes; ++i) out = a.v[i] > out ? a.v[i] : out;
  return out;
}
static inline VecI round_to_int(VecF a) {
  VecI out;
  // A NaN has no integer; 0 stands in, the NaN itself goes on beside it.
  for (int i = 0; i < kLanes; ++i) out.v[i] = a.v[i] == a.v[i] ? static_cast<int32_t>(__builtin_rintf(a.v[i])) : 0;
  return out;
}
static inline VecF to_float(VecI a) {
  return each([=](int i) { return static_cast<float>(a.v[i]); });
}
static inline VecF power_of_two(VecI n) {
  return each([=](int i) { return __builtin_bit_cast(float, static_cast<uint32_t>(n.v[i] + 127) << 23); });
}
static inline VecI add_i(VecI a, VecI b) {
  for (int i = 0; i < kLanes; ++i) a.v[i] += b.v[i];
  return a;
}
static inline int reduce_add_i(VecI a) {
  int sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += a.v[i];
  return sum;
}
static inline void store_i8(int8_t* p, VecI a) {
  for (int i = 0; i < kLanes; ++i) p[i] = static_cast<int8_t>(a.v[i]);
}

static inline VecI set1_i(int32_t x) {
  VecI out;
  for (int i = 0; i < kLanes; ++i) out.v[i] = x;
  return out;
}
// (sum - kSumBias) * scale, rounded once. `bias` serves targets that fuse.
static inline VecF scale_sum(VecI sum, float scale, float /*bias*/) {
  return each([=](int i) { return static_cast<float>(sum.v[i] - kSumBias) * scale; });
}
static inline VecF as_float(VecI bits) {
  return each([=](int i) { return __builtin_bit_cast(float, bits.v[i]); });
}
// Memory that is read soon; the address may be anywhere.
static inline void prefetch(const uint8_t* p) { __builtin_prefetch(p); }
static inline VecB load_bytes(const uint8_t* p) {
  VecB out;
  __builtin_memcpy(&out, p, sizeof(out));
  return out;
}
static inline void store_bytes(uint8_t* p, VecB x) { __builtin_memcpy(p, &x, sizeof(x)); }
static inline VecB add_bytes(VecB a, int b) {
  for (int i = 0; i < 4 * kLanes; ++i) a.v[i] = static_cast<uint8_t>(a.v[i] + b);
  return a;
}
static inline VecB or_bytes(VecB a, VecB b) {
  for (int i = 0; i < 4 * kLanes; ++i) a.v[i] |= b.v[i];
  return a;
}
// words[w]: the word w of the 16 bytes at p + lane * stride of each lane.
static inline void load_words(const uint8_t* p, int64_t stride, VecB* words) {
  for (int i = 0; i < kLanes; ++i) {
    for (int w = 0; w < 4; ++w) __builtin_memcpy(words[w].v + 4 * i, p + i * stride + 4 * w, 4);
  }
}
// The word at p + lane * stride of each lane.
static inline VecB gather_words(const uint8_t* p, int64_t stride) {
  VecB out;
  for (int i = 0; i < kLanes; ++i) __builtin_memcpy(out.v + 4 * i, p + i * stride, 4);
  return out;
}
// Each lane's bytes at `first` and `second` as its two 16-bit halves.
static inline VecB load_u8_pairs(const uint8_t* first, const uint8_t* second) {
  VecB out;
  for (int i = 0; i < kLanes; ++i) {
    const uint16_t pair[2] = {first[i], second[i]};
    __builtin_memcpy(out.v + 4 * i, pair, 4);
  }
  return out;
}
// The low bytes, and the low 16 bits, of all lanes.
static inline void store_low8(uint8_t* p, VecB x) {
  for (int i = 0; i < kLanes; ++i) p[i] = x.v[4 * i];
}
static inline void store_low16(uint8_t* p, VecB x) {
  for (int i = 0; i < kLanes; ++i) __builtin_memcpy(p + 2 * i, x.v + 4 * i, 2);
}
// Lanes shifted right by whole bytes.
template <int kShift>
static inline VecB shift_words(VecB x) {
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < 4; ++j) x.v[4 * i + j] = j + kShift / 8 < 4 ? x.v[4 * i + j + kShift / 8] : 0;
  }
  return x;
}
// table[code] of each byte, codes below 16.
static inline VecB look_up16(const uint8_t* table, VecB codes) {
  for (int i = 0; i < 4 * kLanes; ++i) codes.v[i] = table[codes.v[i]];
  return codes;
}
// Each byte shifted right (left if negative) by kShift and masked.
template <int kShift, int kMask>
static inline VecB shift_mask(VecB a) {
  for (int i = 0; i < 4 * kLanes; ++i) {
    if constexpr (kShift >= 0) a.v[i] = static_cast<uint8_t>(a.v[i] >> kShift & kMask);
    if constexpr (kShift < 0) a.v[i] = static_cast<uint8_t>(a.v[i] << -kShift & kMask);
  }
  return a;
}
static inline VecB broadcast4(const int8_t* a) {
  VecB out;
  for (int i = 0; i < kLanes; ++i) __builtin_memcpy(out.v + 4 * i, a, 4);
  return out;
}
// acc[lane] += pairs[2 * lane] * a[2 * lane] + pairs[2 * lane + 1] * a[2 * lane + 1], 16 bits each.
static inline VecI dot2(VecI acc, VecB pairs, VecB a) {
  for (int i = 0; i < kLanes; ++i) {
    int16_t x[2], y[2];
    __builtin_memcpy(x, pairs.v + 4 * i, 4);
    __builtin_memcpy(y, a.v + 4 * i, 4);
    acc.v[i] += x[0] * y[0] + x[1] * y[1];
  }
  return acc;
}
// acc[lane] += sum of 4 of codes[4 * lane + j] * a[4 * lane + j], codes unsigned, a signed.
static inline VecI dot4(VecI acc, VecB codes, VecB a) {
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < 4; ++j)
      acc.v[i] += static_cast<int32_t>(codes.v[4 * i + j]) * static_cast<int8_t>(a.v[4 * i + j]);
  }
  return acc;
}
// Not used: kSignedQ8 is false.
static inline VecI dot4_signed(VecI acc, VecB codes, VecB a) { return dot4(acc, codes, a); }

}  // namespace da::backend::cpu::scalar
