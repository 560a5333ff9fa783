#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace da::backend {

// What this machine can do at most, measured now: the limits that speeds are compared with. 0: not known here.
struct CpuPeaks {
  double read_bytes_per_s = 0;  // from memory, in order
  // Multiplications and additions, each counted.
  double int8_ops_per_s = 0;  // dot products into 32 bits
  double bf16_ops_per_s = 0;  // dot products into float32
  double f32_ops_per_s = 0;   // fused multiply-add
};

// Takes about a second. `n_threads` of 0: the CPUs this process may use. Reading needs a gigabyte of memory, or a
// quarter of what is free: a buffer that no cache holds.
CpuPeaks measure_cpu_peaks(int n_threads);
// Its read_bytes_per_s alone, in a third of a second.
double measure_read_peak(int n_threads);

namespace cpu {

// A loop of `rounds` rounds on registers alone; returns the operations done.
using PeakLoop = uint64_t (*)(uint64_t rounds);
// The best of this CPU; null: none. Defined by peaks_x86.cc or peaks_other.cc.
PeakLoop int8_peak_loop();
PeakLoop bf16_peak_loop();
PeakLoop f32_peak_loop();

}  // namespace cpu
}  // namespace da::backend
