#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backend/backend.h"

// The GPUs that whole models are tested on: emulated ones, or those of this machine.
namespace da::test {

// Starts anew: all devices are there and well.
void reset_gpus();
int32_t n_gpus();  // with one alone, what is asked of the second runs on the first

// The second is the first where there is one only.
std::unique_ptr<backend::Backend> make_gpu(int32_t device);
std::string last_fault();

// What only the emulated runtime counts; elsewhere always 0.
struct Counts {
  uint64_t n_allocations = 0, n_waits = 0, n_graph_launches = 0;
};
Counts counts();

}  // namespace da::test
