#pragma once

// The emulated bodies of src/backend/cuda/device/ptx/deepanalyze_ptx.cuh: same functions, same meaning, on the CPU.
#include <cuda_runtime.h>

namespace da::backend::cuda {

// The kernel's dynamic shared memory as one T.
template <class T>
inline T& shared_as() {
  if (sizeof(T) > cuda_emulation::place.shared_bytes)
    cuda_emulation::device_fault("a kernel launched with too little shared memory");
  return *reinterpret_cast<T*>(cuda_emulation::place.shared);
}
inline unsigned char* shared_bytes() { return cuda_emulation::place.shared; }

inline void require_aligned(const void* address, uintptr_t bytes) {
  if (reinterpret_cast<uintptr_t>(address) % bytes != 0) cuda_emulation::device_fault("a misaligned address");
}

// Reads of 4, 8 and 16 bytes, aligned to their size. The streaming form is for weights, which are read once.
inline uint32_t load4(const void* p) {
  require_aligned(p, 4);
  return *static_cast<const uint32_t*>(p);
}
inline uint2 load8(const void* p) {
  require_aligned(p, 8);
  return *static_cast<const uint2*>(p);
}
inline uint4 load16(const void* p) {
  require_aligned(p, 16);
  return *static_cast<const uint4*>(p);
}
inline uint32_t stream4(const void* p) { return load4(p); }
inline uint2 stream8(const void* p) { return load8(p); }
inline uint4 stream16(const void* p) { return load16(p); }

inline float half_to_float(uint16_t half) { return static_cast<float>(__builtin_bit_cast(_Float16, half)); }
inline uint16_t float_to_half(float value) { return __builtin_bit_cast(uint16_t, static_cast<_Float16>(value)); }

inline int dot4(int a, int b, int sum) { return __dp4a(a, b, sum); }

// --- copies to shared memory behind the kernel's back ------------------------------------------------------------
// Emulated as copies at the time of the wait would be hard to tell from copies at once, save that what waits not reads
// poison: so each copy is kept and done by the wait.
struct PendingCopies {
  static constexpr int kMost = 256;
  struct Copy {
    void* to;
    const void* from;
    int bytes, valid;
    int group;
  } copies[kMost];
  int n = 0, groups = 0;
  uint64_t block_serial = 0;
};
inline PendingCopies& pending_copies() {
  static PendingCopies all[1024];
  const uint3 t = threadIdx;
  PendingCopies& mine = all[t.x + blockDim.x * (t.y + blockDim.y * t.z)];
  if (mine.block_serial != cuda_emulation::place.serial) {
    mine.n = mine.groups = 0;
    mine.block_serial = cuda_emulation::place.serial;
  }
  return mine;
}

// 16 bytes; with `valid` below 16 the rest is zeros.
inline void copy_async16(void* to, const void* from, int valid = 16) {
  require_aligned(to, 16);
  if (valid > 0) require_aligned(from, 16);
  PendingCopies& pending = pending_copies();
  if (pending.n == PendingCopies::kMost) cuda_emulation::device_fault("too many copies on their way");
  pending.copies[pending.n++] = {to, from, 16, valid, pending.groups};
}
inline void copy_async4(void* to, const void* from, int valid = 4) {
  require_aligned(to, 4);
  if (valid > 0) require_aligned(from, 4);
  PendingCopies& pending = pending_copies();
  if (pending.n == PendingCopies::kMost) cuda_emulation::device_fault("too many copies on their way");
  pending.copies[pending.n++] = {to, from, 4, valid, pending.groups};
}
inline void copy_async_commit() { ++pending_copies().groups; }
// Waits until at most kNewest groups are on their way.
template <int kNewest>
inline void copy_async_wait() {
  PendingCopies& pending = pending_copies();
  int kept = 0;
  for (int i = 0; i < pending.n; ++i) {
    const PendingCopies::Copy& copy = pending.copies[i];
    if (copy.group >= pending.groups - kNewest) {
      pending.copies[kept++] = copy;
      continue;
    }
    if (copy.valid > 0) std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.valid));
    std::memset(static_cast<char*>(copy.to) + copy.valid, 0, static_cast<size_t>(copy.bytes - copy.valid));
  }
  pending.n = kept;
}

// Four 8x8 matrices of 16-bit elements from shared memory to the warp's registers: see the real one.
struct MatrixRows {
  const void* row;
  uint32_t* out;
};
inline void load_matrices(uint32_t (&out)[4], const void* row) {
  require_aligned(row, 16);
  const auto* shared = cuda_emulation::place.shared;
  const auto* at = static_cast<const unsigned char*>(row);
  if (at < shared || at + 16 > shared + cuda_emulation::place.shared_bytes)
    cuda_emulation::device_fault("a matrix row outside the shared memory");
  MatrixRows mine{row, out};
  cuda_emulation::collective(cuda_emulation::CollectiveKind::kMatrix, &mine, [](void* const* data) {
    for (int lane = 0; lane < 32; ++lane) {
      for (int matrix = 0; matrix < 4; ++matrix) {
        const auto* from = static_cast<const MatrixRows*>(data[matrix * 8 + lane / 4]);
        std::memcpy(&static_cast<const MatrixRows*>(data[lane])->out[matrix],
                    static_cast<const char*>(from->row) + lane % 4 * 4, 4);
      }
    }
  });
}

// --- tensor cores: d = a * b + c for the warp ------------------------------------------------------------------------
struct MatrixOperands {
  const uint32_t* a;
  const uint32_t* b;
  void* d;
};

// Where a lane's registers lie in the matrices (PTX ISA, "Matrix Fragments for mma"): row groups of 4 lanes.
template <int kDepth>
inline void int8_product(void* const* data) {
  int8_t a[16][kDepth], b[kDepth][8];
  for (int i = 0; i < 32; ++i) {
    const auto* lane = static_cast<const MatrixOperands*>(data[i]);
    const int group = i / 4, in_group = i % 4;
    for (int byte = 0; byte < 4; ++byte) {
      const int k = in_group * 4 + byte;
      a[group][k] = static_cast<int8_t>(lane->a[0] >> (8 * byte));
      a[group + 8][k] = static_cast<int8_t>(lane->a[1] >> (8 * byte));
      b[k][group] = static_cast<int8_t>(lane->b[0] >> (8 * byte));
      if constexpr (kDepth == 32) {
        a[group][k + 16] = static_cast<int8_t>(lane->a[2] >> (8 * byte));
        a[group + 8][k + 16] = static_cast<int8_t>(lane->a[3] >> (8 * byte));
        b[k + 16][group] = static_cast<int8_t>(lane->b[1] >> (8 * byte));
      }
    }
  }
  int d[16][8] = {};
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < kDepth; ++k) {
      for (int column = 0; column < 8; ++column) d[row][column] += a[row][k] * b[k][column];
    }
  }
  for (int i = 0; i < 32; ++i) {
    int* out = static_cast<int*>(static_cast<const MatrixOperands*>(data[i])->d);
    for (int j = 0; j < 4; ++j) out[j] += d[i / 4 + 8 * (j / 2)][i % 4 * 2 + j % 2];
  }
}

// d[16][8] += a[16][32] * b[32][8], signed bytes
inline void matrix_int8_k32(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  MatrixOperands mine{a, b, d};
  cuda_emulation::collective(cuda_emulation::CollectiveKind::kMatrix, &mine, int8_product<32>);
}
// d[16][8] += a[16][16] * b[16][8], signed bytes
inline void matrix_int8_k16(int (&d)[4], const uint32_t (&a)[2], const uint32_t (&b)[1]) {
  MatrixOperands mine{a, b, d};
  cuda_emulation::collective(cuda_emulation::CollectiveKind::kMatrix, &mine, int8_product<16>);
}

// Rounds to the 11 significant bits the tensor core reads, to nearest, ties away from zero.
inline uint32_t to_tf32(float value) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  if ((bits & 0x7F800000U) == 0x7F800000U) return bits;
  return (bits + 0x1000U) & ~0x1FFFU;
}

inline void tf32_product(void* const* data) {
  float a[16][8], b[8][8];
  for (int i = 0; i < 32; ++i) {
    const auto* lane = static_cast<const MatrixOperands*>(data[i]);
    const int group = i / 4, in_group = i % 4;
    const auto value = [](uint32_t bits) { return __builtin_bit_cast(float, bits & ~0x1FFFU); };
    a[group][in_group] = value(lane->a[0]);
    a[group + 8][in_group] = value(lane->a[1]);
    a[group][in_group + 4] = value(lane->a[2]);
    a[group + 8][in_group + 4] = value(lane->a[3]);
    b[in_group][group] = value(lane->b[0]);
    b[in_group + 4][group] = value(lane->b[1]);
  }
  float d[16][8] = {};
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < 8; ++k) {
      for (int column = 0; column < 8; ++column) d[row][column] += a[row][k] * b[k][column];
    }
  }
  for (int i = 0; i < 32; ++i) {
    float* out = static_cast<float*>(static_cast<const MatrixOperands*>(data[i])->d);
    for (int j = 0; j < 4; ++j) out[j] += d[i / 4 + 8 * (j / 2)][i % 4 * 2 + j % 2];
  }
}
// d[16][8] += a[16][8] * b[8][8], tf32
inline void matrix_tf32_k8(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  MatrixOperands mine{a, b, d};
  cuda_emulation::collective(cuda_emulation::CollectiveKind::kMatrix, &mine, tf32_product);
}

}  // namespace da::backend::cuda
