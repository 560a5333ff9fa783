#pragma once

#include <cstdint>

// Phases of the machine's frames.
namespace da::grammar {

// Phases of an object and an array. `count`: objects, the next property that may come; arrays, items written.
enum ContainerPhase : uint32_t {
  kOpen,        // expects the bracket
  kFirst,       // after the bracket: expects the closing one (what may be inside has configurations of its own)
  kInKey,       // held below a declared key
  kInExtraKey,  // held below another key
  kColon,       // after another key
  kAfterColon,  // expects the one space that may come
  kInValue,     // held below a value
  kAfterValue,  // expects a comma or the closing bracket
  kAfterComma,  // expects the one space that may come
};

// Phases of a number. `a`, `b`: low and high half of its digits' value; `count`: digits after the point (of free
// numbers: digits of the current part). The sign is a flag in the phase.
enum NumberPhase : uint32_t {
  kStart,
  kMinus,
  kZero,
  kInteger,
  kPoint,
  kFraction,
  kExponent,
  kExponentSign,
  kExponentDigits
};
constexpr uint32_t kNegative = 0x100;
constexpr uint32_t kFreeDigits = 15, kFreeExponentDigits = 2;

}  // namespace da::grammar
