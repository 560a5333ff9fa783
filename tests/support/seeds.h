#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

namespace da::test {

// Seeds of a simulation: [first, first + count); see for_seeds.
inline std::pair<uint32_t, uint32_t> seeds(uint32_t count) {
  const auto number = [](const char* text) { return static_cast<uint32_t>(std::strtoul(text, nullptr, 10)); };
  if (const char* one = std::getenv("DEEPANALYZE_SIM_SEED")) return {number(one), 1};
  if (const char* many = std::getenv("DEEPANALYZE_SIM_SEEDS")) count = number(many);
  return {0, count};
}

// Runs a story for seeds 0 to count - 1, until one fails. DEEPANALYZE_SIM_SEED=n runs that one alone, as a failure
// names it; DEEPANALYZE_SIM_SEEDS=n runs so many.
template <class Story>
void for_seeds(uint32_t count, const Story& story) {
  const auto [first, n] = seeds(count);
  for (uint32_t seed = first; seed < first + n; ++seed) {
    SCOPED_TRACE("DEEPANALYZE_SIM_SEED=" + std::to_string(seed));
    story(seed);
    if (::testing::Test::HasFailure()) return;
  }
}

// The same seed is always the same story: two worlds of it leave the same trace.
template <class World>
void expect_replays(uint32_t count) {
  for (uint32_t seed = 0; seed < count; ++seed) {
    World one(seed), two(seed);
    one.run();
    two.run();
    EXPECT_EQ(one.trace(), two.trace());
  }
}

}  // namespace da::test
