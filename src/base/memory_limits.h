#pragma once

#include <cstdint>

namespace da {

// Bytes this process may still take without swapping: what the system calls available, or what is left to its cgroup
// and every group above it (v2), whichever is less. 0: the system does not say.
uint64_t available_memory_bytes();

// Bounds what the C library keeps of memory that is free again: two arenas instead of eight for each CPU (a server's
// threads wait more than they allocate), and large pieces go back to the system at once. Before the first thread.
void bound_kept_memory();

}  // namespace da
