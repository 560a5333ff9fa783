#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Control of the emulated CUDA runtime: which devices there are and what goes wrong. The runtime's calls wait in their
// streams and run when the host waits for them, so that a host that does not wait sees old data.
//
// Without configure() the environment decides, for whole programs under test: DEEPANALYZE_EMULATED_GPUS=2x256 is two
// devices of 256 MiB (none set: no device), DEEPANALYZE_EMULATED_FAULT=kernel:120, hang:120, lost:120 (at the 120th
// kernel), allocation:3 (that one fails) or exhausted:3 (from there on all do). CUDA_VISIBLE_DEVICES chooses among them
// by index or UUID. DEEPANALYZE_EMULATED_GPUS=@FILE reads the devices from a file when a process first asks, so that
// they may change while a server runs: "2x256 gone:1", "2x256 broken:0", "2x256 driver_fails".
namespace da::cuda_emulation {

struct DeviceOptions {
  size_t memory_bytes = 256 << 20;
  int major = 8, minor = 6;
  bool gone = false;    // in the machine, but the driver does not show it
  bool broken = false;  // shown, but every use of it fails
};
struct Options {
  std::vector<DeviceOptions> devices{DeviceOptions{}};
  uint64_t seed = 1;        // orders of blocks, warps and lanes
  bool peer_access = true;  // between any two devices
  bool driver_fails = false;
};

// Starts anew. Everything made before must be gone.
void configure(const Options& options);
void set_seed(uint64_t seed);

// The n-th allocation of device or pinned memory from now on fails (1: the next); 0: none.
void fail_allocation(int n);
// From the n-th on none succeeds.
void exhaust_at_allocation(int n);
// The n-th kernel from now on accesses memory it may not; never ends; or its device falls off the bus.
void fault_kernel(int n);
void hang_kernel(int n);
void lose_device_at_kernel(int n);
void lose_device(int device);
// Copies from device to device change a byte on the way.
void corrupt_peer_copies(bool corrupt);
// Copies from the host of more than a kilobyte likewise.
void corrupt_uploads(bool corrupt);
// Memory that another process holds.
void occupy(int device, size_t bytes);

size_t used_bytes(int device);
uint64_t n_kernels();  // run so far, in graphs too
uint64_t n_graph_launches();
uint64_t n_allocations();  // tried so far, of device, pinned and pages' memory
uint64_t n_waits();        // times the host asked whether something is done and had to let operations run for it
std::string last_fault();  // what the last kernel that faulted did, ""

}  // namespace da::cuda_emulation
