#pragma once

#define DA_CPU_AVX_VNNI
#include "backend/cpu/simd/avx2.h"
