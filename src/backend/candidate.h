#pragma once

#include <cstdint>

namespace da::backend {

// A value of a row that may be chosen.
struct Candidate {
  int32_t column;
  float value;
};
// The most that a device picks from a row.
inline constexpr int32_t kMaxTopK = 128;

}  // namespace da::backend
