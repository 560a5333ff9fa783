#pragma once

// Stands in for the CUDA toolkit's header of this name when our .cu sources are compiled for the CPU. Tests only.
#include "cuda_emulation/include/device_builtins.h"
#include "cuda_emulation/include/runtime_api.h"
