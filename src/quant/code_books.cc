#include "quant/code_books.h"

#include <array>
#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace da::quant {
namespace {

// Each book is an ascending set of numbers whose digits, the lowest first, are the levels of a point's coordinates. The
// text holds the gaps between them, less one: '#' to '[' are 0 to 56, ']' adds 57 to the next.
#include "quant/code_books.inc"

template <class Coordinate, size_t kPoints, size_t kWidth, size_t kLevels>
void unpack(std::string_view gaps, const std::array<Coordinate, kLevels>& levels, Coordinate (&out)[kPoints][kWidth]) {
  size_t point = 0, number = 0, gap = 0;
  for (const char c : gaps) {
    if (c == ']') {
      gap += 57;
      continue;
    }
    number += gap + static_cast<size_t>(c - '#');
    gap = 0;
    DA_CHECK(point < kPoints);
    size_t digits = number++;
    for (size_t i = 0; i < kWidth; ++i, digits /= kLevels) out[point][i] = levels[digits % kLevels];
    DA_CHECK(digits == 0);
    ++point;
  }
  DA_CHECK(point == kPoints);
}

CodeBooks unpack_all() {
  CodeBooks books;
  constexpr std::array<uint8_t, 3> kThree = {8, 25, 43};
  unpack(kIq2Xxs, kThree, books.iq2_xxs);
  unpack(kIq2Xs, kThree, books.iq2_xs);
  unpack(kIq2S, kThree, books.iq2_s);
  unpack(kIq3Xxs, std::array<uint8_t, 8>{4, 12, 20, 28, 36, 44, 52, 62}, books.iq3_xxs);
  unpack(kIq3S, std::array<uint8_t, 8>{1, 3, 5, 7, 9, 11, 13, 15}, books.iq3_s);
  unpack(kIq1S, std::array<int8_t, 3>{-1, 0, 1}, books.iq1_s);
  return books;
}

}  // namespace

const CodeBooks& code_books() {
  static const CodeBooks books = unpack_all();
  return books;
}

}  // namespace da::quant
