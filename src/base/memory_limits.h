#pragma once

#include <cstdint>

namespace da {

// Bytes this process may still take without swapping: what the system calls available, or what is left to its cgroup
// and every group above it (v2), whichever is less. 0: the system does not say.
uint64_t available_memory_bytes();

}  // namespace da
