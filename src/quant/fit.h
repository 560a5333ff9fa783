#pragma once

#include <cstdint>

// Scales for runs of values that will be rounded to small integers: least squares over the rounding errors, found by
// trying scales around the one that just covers the largest value and solving for the best at each rounding. Each
// squared error counts `w` times (positive).
namespace da::quant {

// `n` is 16 or 32 in all of these.

// The scale with the least sum of w (x - scale * code)^2 for codes from low to high; may be negative; 0 if all are 0.
float fit_scale(const float* x, const float* w, int n, int low, int high);
// The same for codes that stand for the values of a table [16], ascending or with an even code's sign in bit 3.
float fit_table_scale(const float* x, const float* w, int n, const int8_t* table);

struct Affine {
  float scale = 0, min = 0;  // value = scale * code - min
};
// For codes from 0 to high. min is kept from falling below 0 unless `any_min`.
Affine fit_affine(const float* x, const float* w, int n, int high, bool any_min);

// The nearest integer, ties to even, for |x| < 2^22: two additions, which compilers turn into vector code everywhere.
inline float round_near(float x) { return (x + 0x1.8p23F) - 0x1.8p23F; }

// Code of the table's value nearest to `x`.
uint8_t nearest_in_table(float x, const int8_t* table);

}  // namespace da::quant
