#pragma once

// NEON with the matrix products of 8-bit integers too (ARMv8.6-A, +i8mm).
#define DA_CPU_I8MM
#include "backend/cpu/simd/neon.h"
