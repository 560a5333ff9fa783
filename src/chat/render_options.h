#pragma once

#include <cstddef>
#include <cstdint>

namespace da::chat {

// Bounds of one rendering. Templates come with models from strangers: each bound ends a rendering with
// kResourceExhausted, none is a crash.
struct RenderLimits {
  uint64_t max_steps = 1'000'000;  // evaluated nodes and loop turns
  size_t max_depth = 64;           // nesting of the input values, of template blocks and of values a template builds
  size_t max_macro_depth = 200;    // macros, blocks and named templates that are running at once
  // Output is at most output_factor * (template + text in the variables) + output_extra_bytes.
  size_t output_factor = 4;
  size_t output_extra_bytes = size_t{1} << 20;
  // Bytes of intermediate values; memory_factor works as output_factor does.
  size_t memory_factor = 64;
  size_t memory_extra_bytes = size_t{64} << 20;
};

// A wall-clock reading without a zone, what templates print dates from.
struct CivilTime {
  int year = 1970;
  int month = 1;  // 1 to 12
  int day = 1;    // 1 to 31
  int hour = 0;
  int minute = 0;
  int second = 0;

  // The local time now; UTC where the zone is unknown.
  static CivilTime now();
  // Days added, month and year carried.
  CivilTime plus_days(int days) const;
  // 0 is Sunday.
  int weekday() const;
  // 0 is January 1st.
  int day_of_year() const;
};

struct RenderOptions {
  RenderLimits limits;
  CivilTime now = CivilTime::now();
};

}  // namespace da::chat
