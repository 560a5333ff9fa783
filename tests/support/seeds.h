#pragma once

#include <cstdint>
#include <cstdlib>
#include <utility>

namespace da::test {

// Seeds of a simulation: [first, first + count). DEEPANALYZE_SIM_SEED=n runs that one alone, as a failure names it;
// DEEPANALYZE_SIM_SEEDS=n runs so many.
inline std::pair<uint32_t, uint32_t> seeds(uint32_t count) {
  if (const char* one = std::getenv("DEEPANALYZE_SIM_SEED")) return {static_cast<uint32_t>(std::strtoul(one, nullptr, 10)), 1};
  if (const char* many = std::getenv("DEEPANALYZE_SIM_SEEDS")) count = static_cast<uint32_t>(std::strtoul(many, nullptr, 10));
  return {0, count};
}

}  // namespace da::test
