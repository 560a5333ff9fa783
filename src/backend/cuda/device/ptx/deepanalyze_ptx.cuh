#pragma once

// What the CUDA language has no words for, each instruction in one function. The folder of this header is on the
// include path of the real build only: tests/cuda_emulation has the same functions with bodies for the CPU.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace da::backend::cuda {

// The kernel's dynamic shared memory; all our shared memory is of this kind.
extern __shared__ uint4 dynamic_shared[];
__device__ __forceinline__ unsigned char* shared_bytes() { return reinterpret_cast<unsigned char*>(dynamic_shared); }
// The same as one T.
template <class T>
__device__ __forceinline__ T& shared_as() {
  return *reinterpret_cast<T*>(dynamic_shared);
}

// Reads of 4, 8 and 16 bytes, aligned to their size. The streaming form is for weights, which are read once.
__device__ __forceinline__ uint32_t load4(const void* p) { return *static_cast<const uint32_t*>(p); }
__device__ __forceinline__ uint2 load8(const void* p) { return *static_cast<const uint2*>(p); }
__device__ __forceinline__ uint4 load16(const void* p) { return *static_cast<const uint4*>(p); }
__device__ __forceinline__ uint32_t stream4(const void* p) { return __ldcs(static_cast<const unsigned*>(p)); }
__device__ __forceinline__ uint2 stream8(const void* p) { return __ldcs(static_cast<const uint2*>(p)); }
__device__ __forceinline__ uint4 stream16(const void* p) { return __ldcs(static_cast<const uint4*>(p)); }

__device__ __forceinline__ float half_to_float(uint16_t half) { return __half2float(__ushort_as_half(half)); }
__device__ __forceinline__ uint16_t float_to_half(float value) { return __half_as_ushort(__float2half_rn(value)); }

__device__ __forceinline__ int dot4(int a, int b, int sum) { return __dp4a(a, b, sum); }

// --- copies to shared memory behind the kernel's back ----------------------------------------------------------------
__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}
// 16 bytes; with `valid` below 16 the rest is zeros.
__device__ __forceinline__ void copy_async16(void* to, const void* from, int valid = 16) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid)
               : "memory");
}
__device__ __forceinline__ void copy_async4(void* to, const void* from, int valid = 4) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid)
               : "memory");
}
__device__ __forceinline__ void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most kNewest groups are on their way.
template <int kNewest>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kNewest) : "memory");
}

// Four 8x8 matrices of 16-bit elements (8 rows of 16 bytes) from shared memory to the warp's registers: lane i names row
// i % 8 of matrix i / 8, aligned to 16 bytes; out[m] of lane i are the bytes 4 * (i % 4) .. of row i / 4 of matrix m.
__device__ __forceinline__ void load_matrices(uint32_t (&out)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(shared_address(row))
               : "memory");
}

// --- tensor cores: d += a * b for the warp; where a lane's registers lie in the matrices: PTX ISA, "mma" -------------
// d[16][8] += a[16][32] * b[32][8], signed bytes
__device__ __forceinline__ void matrix_int8_k32(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// d[16][8] += a[16][16] * b[16][8], signed bytes
__device__ __forceinline__ void matrix_int8_k16(int (&d)[4], const uint32_t (&a)[2], const uint32_t (&b)[1]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(b[0]));
}
// Rounds to the 11 significant bits the tensor core reads, to nearest, ties away from zero.
__device__ __forceinline__ uint32_t to_tf32(float value) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}
// d[16][8] += a[16][8] * b[8][8], tf32
__device__ __forceinline__ void matrix_tf32_k8(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

}  // namespace da::backend::cuda
