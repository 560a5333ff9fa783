// Formats whose codes are points of a code book: groups of 4 or 8 values, a scale for each 16 or 32, one for 256.
//
// For a given scale the best point of a group is looked for among those nearest to where its values would round to if
// every combination were in the book; the scale is searched, then solved for.
#include "quant/quantize_books.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/result.h"
#include "quant/code_books.h"
#include "quant/quant.h"

namespace da::quant {
namespace {

using gguf::TensorType;

constexpr int kNear = 24;  // points that are looked at

struct Book {
  int width = 0, n_levels = 0;
  std::array<float, 8> levels{};                  // ascending
  std::vector<float> points;                      // [n][width]
  std::vector<int16_t> exact;                     // by the number of a combination of levels: its point, or -1
  std::vector<std::array<uint16_t, kNear>> near;  // likewise: the points nearest to it
};

template <class Coordinate, size_t kPoints, size_t kWidth>
Book make_book(const Coordinate (&points)[kPoints][kWidth]) {
  Book book;
  book.width = static_cast<int>(kWidth);
  std::vector<float> levels;
  for (const auto& point : points) {
    for (const Coordinate c : point) levels.push_back(static_cast<float>(c));
  }
  book.points = levels;
  std::sort(levels.begin(), levels.end());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  DA_CHECK(levels.size() <= 8);
  std::copy(levels.begin(), levels.end(), book.levels.begin());
  book.n_levels = static_cast<int>(levels.size());
  size_t n_numbers = 1;
  for (size_t i = 0; i < kWidth; ++i) n_numbers *= levels.size();
  book.exact.assign(n_numbers, -1);
  book.near.resize(n_numbers);
  for (size_t number = 0; number < n_numbers; ++number) {
    float at[kWidth];
    size_t digits = number;
    for (size_t i = 0; i < kWidth; ++i, digits /= levels.size()) at[i] = levels[digits % levels.size()];
    std::array<std::pair<float, uint16_t>, kPoints> distances;
    for (size_t p = 0; p < kPoints; ++p) {
      float distance = 0;
      for (size_t i = 0; i < kWidth; ++i) {
        const float difference = at[i] - static_cast<float>(points[p][i]);
        distance += difference * difference;
      }
      distances[p] = {distance, static_cast<uint16_t>(p)};
      if (distance == 0) book.exact[number] = static_cast<int16_t>(p);
    }
    if (book.exact[number] >= 0) continue;
    std::partial_sort(distances.begin(), distances.begin() + kNear, distances.end());
    for (size_t i = 0; i < kNear; ++i) book.near[number][i] = distances[i].second;
  }
  return book;
}

const Book& book_of(TensorType type) {
  switch (type) {
    case TensorType::kIQ2_XXS: {
      static const Book book = make_book(code_books().iq2_xxs);
      return book;
    }
    case TensorType::kIQ2_XS: {
      static const Book book = make_book(code_books().iq2_xs);
      return book;
    }
    case TensorType::kIQ2_S: {
      static const Book book = make_book(code_books().iq2_s);
      return book;
    }
    case TensorType::kIQ3_XXS: {
      static const Book book = make_book(code_books().iq3_xxs);
      return book;
    }
    case TensorType::kIQ3_S: {
      static const Book book = make_book(code_books().iq3_s);
      return book;
    }
    default: {
      static const Book book = make_book(code_books().iq1_s);
      return book;
    }
  }
}

struct BookFormat {
  TensorType type;
  int sub_block;      // values that share a scale
  int highest_scale;  // scales are 2 k + 1 for k from 0 to this
  float unit;         // a value is d * unit * (2 k + 1) * coordinate
  bool even_signs;    // an even number of 8 values is negative
  int shift_group;  // IQ1: coordinates are shifted by an eighth, up or down in groups of as many; 0: signs of their own
};

constexpr BookFormat kFormats[] = {
    {TensorType::kIQ2_XXS, 32, 15, 0.125F, true, 0}, {TensorType::kIQ2_XS, 16, 15, 0.125F, true, 0},
    {TensorType::kIQ2_S, 16, 15, 0.125F, false, 0},  {TensorType::kIQ3_XXS, 32, 15, 0.25F, true, 0},
    {TensorType::kIQ3_S, 32, 15, 1.0F, false, 0},    {TensorType::kIQ1_S, 32, 7, 1.0F, false, 32},
    {TensorType::kIQ1_M, 16, 7, 1.0F, false, 8},
};

const BookFormat* find_format(TensorType type) {
  const auto* found =
      std::find_if(std::begin(kFormats), std::end(kFormats), [&](const BookFormat& f) { return f.type == type; });
  return found == std::end(kFormats) ? nullptr : found;
}

// A block taken apart; what pack_* below put together.
struct Codes {
  uint16_t d = 0;
  uint8_t scales[16] = {};   // of sub-blocks
  uint16_t points[64] = {};  // of groups
  uint8_t signs[32] = {};    // of 8 values
  bool minus[32] = {};       // the shift of 8 values
};

// The values to be met by coordinates times a scale: without their signs where signs are stored.
void set_targets(const BookFormat& format, const float* x, const float* w, float* targets, Codes& out) {
  if (format.shift_group > 0) {
    std::copy_n(x, 256, targets);
    return;
  }
  for (int eight = 0; eight < 32; ++eight) {
    uint32_t signs = 0;
    int cheapest = 0;
    float least = INFINITY;
    for (int i = 0; i < 8; ++i) {
      const float value = x[eight * 8 + i], cost = w[eight * 8 + i] * value * value;
      targets[eight * 8 + i] = std::fabs(value);
      signs |= (value < 0 ? 1U : 0U) << i;
      if (cost < least) {
        least = cost;
        cheapest = i;
      }
    }
    // The sign of the value that matters least makes the number even.
    if (format.even_signs && __builtin_parity(signs) != 0) {
      signs ^= 1U << cheapest;
      targets[eight * 8 + cheapest] = -targets[eight * 8 + cheapest];
    }
    out.signs[eight] = static_cast<uint8_t>(signs);
  }
}

struct Sums {
  double error = 0, xq = 0, qq = 0;  // for the coordinates without the scale
  void add(const Sums& other) {
    error += other.error;
    xq += other.xq;
    qq += other.qq;
  }
};

// The point for a group of `t`, coordinates plus `shift` times `step`.
Sums choose_point(const Book& book, const float* t, const float* w, float step, float shift, uint16_t& point) {
  const int width = book.width;
  float a[8];
  size_t number = 0, place = 1;
  for (int i = 0; i < width; ++i, place *= static_cast<size_t>(book.n_levels)) {
    a[i] = t[i] / step - shift;
    size_t level = 0;
    while (static_cast<int>(level) + 1 < book.n_levels && a[i] * 2 > book.levels[level] + book.levels[level + 1])
      ++level;
    number += level * place;
  }
  if (book.exact[number] >= 0) {
    point = static_cast<uint16_t>(book.exact[number]);
  } else {
    float least = INFINITY;
    for (const uint16_t candidate : book.near[number]) {
      const float* p = book.points.data() + static_cast<size_t>(candidate) * static_cast<size_t>(width);
      float error = 0;
      for (int i = 0; i < width; ++i) error += w[i] * (a[i] - p[i]) * (a[i] - p[i]);
      if (error >= least) continue;
      least = error;
      point = candidate;
    }
  }
  Sums sums;
  const float* p = book.points.data() + static_cast<size_t>(point) * static_cast<size_t>(width);
  for (int i = 0; i < width; ++i) {
    const float q = p[i] + shift, difference = t[i] - step * q;
    sums.error += static_cast<double>(w[i] * difference * difference);
    sums.xq += static_cast<double>(w[i] * t[i] * q);
    sums.qq += static_cast<double>(w[i] * q * q);
  }
  return sums;
}

// Points, and shifts, of the sub-block at `begin` for a scale.
Sums encode(const BookFormat& format, const Book& book, const float* t, const float* w, int begin, float step,
            Codes& out) {
  Sums all;
  const int run = format.shift_group > 0 ? format.shift_group : format.sub_block;
  for (int from = begin; from < begin + format.sub_block; from += run) {
    Sums best;
    best.error = INFINITY;
    uint16_t points[8];
    for (const float shift : {0.125F, -0.125F}) {
      Sums sums;
      for (int i = 0; i < run; i += book.width) {
        sums.add(choose_point(book, t + from + i, w + from + i, step, format.shift_group > 0 ? shift : 0.0F,
                              points[i / book.width]));
      }
      if (sums.error < best.error) {
        best = sums;
        std::copy_n(points, run / book.width, out.points + from / book.width);
        std::fill_n(out.minus + from / 8, run / 8, shift < 0);
      }
      if (format.shift_group == 0) break;
    }
    all.add(best);
  }
  return all;
}

// The scale with the least error for the sub-block at `begin`.
float fit_sub_block(const BookFormat& format, const Book& book, const float* t, const float* w, int begin) {
  float largest = 0;
  for (int i = begin; i < begin + format.sub_block; ++i) largest = std::max(largest, std::fabs(t[i]));
  if (largest < 1e-30F) return 0;
  const float top = book.levels[static_cast<size_t>(book.n_levels) - 1] + (format.shift_group > 0 ? 0.125F : 0.0F);
  const float first = format.shift_group > 0 ? 0.3F : 0.6F;
  Codes scratch;
  double least = INFINITY;
  float best = 0;
  const auto consider = [&](float step) {
    const Sums sums = encode(format, book, t, w, begin, step, scratch);
    if (sums.error >= least || !(sums.xq > 0)) return;
    least = sums.error;
    best = static_cast<float>(sums.xq / sums.qq);
  };
  for (int i = 0; i < 10; ++i) consider(largest / top * (first + 0.07F * static_cast<float>(i)));
  // Values that are all alike sit on a lower level.
  for (int level = 0; format.shift_group == 0 && level + 1 < book.n_levels; ++level) {
    consider(largest / book.levels[static_cast<size_t>(level)]);
  }
  for (int round = 0; round < 2 && best > 0; ++round) consider(best);
  return best;
}

Sums encode_all(const BookFormat& format, const Book& book, const float* t, const float* w, Codes& out) {
  Sums all;
  const float d = half_to_float(out.d) * format.unit;
  for (int begin = 0; begin < 256; begin += format.sub_block) {
    const auto scale = static_cast<float>(2 * out.scales[begin / format.sub_block] + 1);
    const Sums sums = encode(format, book, t, w, begin, d * scale, out);
    all.error += sums.error;
    all.xq += sums.xq * static_cast<double>(scale);
    all.qq += sums.qq * static_cast<double>(scale) * static_cast<double>(scale);
  }
  return all;
}

void choose_codes(const BookFormat& format, const Book& book, const float* x, const float* w, Codes& out) {
  float targets[256], scales[16], largest = 0;
  set_targets(format, x, w, targets, out);
  const int n_sub = 256 / format.sub_block;
  for (int j = 0; j < n_sub; ++j) {
    scales[j] = fit_sub_block(format, book, targets, w, j * format.sub_block);
    largest = std::max(largest, scales[j]);
  }
  out.d = float_to_half(largest / format.unit / static_cast<float>(2 * format.highest_scale + 1));
  if (half_to_float(out.d) == 0) return;  // zeros, or too small for a float16
  const float d = half_to_float(out.d) * format.unit;
  for (int j = 0; j < n_sub; ++j) {
    const auto k = static_cast<int>(std::lround((scales[j] / d - 1) / 2));
    out.scales[j] = static_cast<uint8_t>(std::clamp(k, 0, format.highest_scale));
  }
  Sums sums = encode_all(format, book, targets, w, out);
  for (int round = 0; round < 2 && sums.qq > 0; ++round) {
    Codes next = out;
    next.d = float_to_half(static_cast<float>(sums.xq / sums.qq) / format.unit);
    if (next.d == out.d || half_to_float(next.d) <= 0) return;
    const Sums again = encode_all(format, book, targets, w, next);
    if (again.error >= sums.error) return;
    sums = again;
    out = next;
  }
}

void write_u16(uint8_t* bytes, uint32_t value) {
  bytes[0] = static_cast<uint8_t>(value);
  bytes[1] = static_cast<uint8_t>(value >> 8);
}

void write_u32(uint8_t* bytes, uint32_t value) {
  write_u16(bytes, value);
  write_u16(bytes + 2, value >> 16);
}

// Four times 7 signs and a scale of the 32 values `part`; the eighth sign follows from the others.
uint32_t sign_word(const Codes& in, int part) {
  uint32_t word = static_cast<uint32_t>(in.scales[part]) << 28;
  for (int i = 0; i < 4; ++i) word |= static_cast<uint32_t>(in.signs[part * 4 + i] & 127) << (7 * i);
  return word;
}

void pack_iq2_xxs(const Codes& in, uint8_t* b) {
  write_u16(b, in.d);
  for (int part = 0; part < 8; ++part) {
    for (int i = 0; i < 4; ++i) b[2 + part * 8 + i] = static_cast<uint8_t>(in.points[part * 4 + i]);
    write_u32(b + 2 + part * 8 + 4, sign_word(in, part));
  }
}

void pack_nibble_scales(const Codes& in, int n, uint8_t* b) {
  for (int i = 0; i < n; ++i) b[i / 2] |= static_cast<uint8_t>(in.scales[i] << (i % 2 * 4));
}

void pack_iq2_xs(const Codes& in, uint8_t* b) {
  write_u16(b, in.d);
  for (int i = 0; i < 32; ++i) write_u16(b + 2 + 2 * i, in.points[i] | static_cast<uint32_t>(in.signs[i] & 127) << 9);
  pack_nibble_scales(in, 16, b + 66);
}

void pack_iq2_s(const Codes& in, uint8_t* b) {
  write_u16(b, in.d);
  for (int i = 0; i < 32; ++i) {
    b[2 + i] = static_cast<uint8_t>(in.points[i]);
    b[34 + i] = in.signs[i];
    b[66 + i / 4] |= static_cast<uint8_t>((in.points[i] >> 8) << (i % 4 * 2));
  }
  pack_nibble_scales(in, 16, b + 74);
}

void pack_iq3_xxs(const Codes& in, uint8_t* b) {
  write_u16(b, in.d);
  for (int i = 0; i < 64; ++i) b[2 + i] = static_cast<uint8_t>(in.points[i]);
  for (int part = 0; part < 8; ++part) write_u32(b + 66 + part * 4, sign_word(in, part));
}

void pack_iq3_s(const Codes& in, uint8_t* b) {
  write_u16(b, in.d);
  for (int i = 0; i < 64; ++i) {
    b[2 + i] = static_cast<uint8_t>(in.points[i]);
    b[66 + i / 8] |= static_cast<uint8_t>((in.points[i] >> 8) << (i % 8));
  }
  std::memcpy(b + 74, in.signs, 32);
  pack_nibble_scales(in, 8, b + 106);
}

void pack_iq1_s(const Codes& in, uint8_t* b) {
  write_u16(b, in.d);
  for (int part = 0; part < 8; ++part) {
    uint32_t bits = static_cast<uint32_t>(in.scales[part]) << 12 | (in.minus[part * 4] ? 0x8000U : 0U);
    for (int i = 0; i < 4; ++i) {
      b[2 + part * 4 + i] = static_cast<uint8_t>(in.points[part * 4 + i]);
      bits |= static_cast<uint32_t>(in.points[part * 4 + i] >> 8) << (3 * i);
    }
    write_u16(b + 34 + 2 * part, bits);
  }
}

void pack_iq1_m(const Codes& in, uint8_t* b) {
  for (int i = 0; i < 32; ++i) {
    b[i] = static_cast<uint8_t>(in.points[i]);
    const uint32_t bits = static_cast<uint32_t>(in.points[i] >> 8) | (in.minus[i] ? 8U : 0U);
    b[32 + i / 2] |= static_cast<uint8_t>(bits << (i % 2 * 4));
  }
  for (int word = 0; word < 4; ++word) {
    uint32_t bits = static_cast<uint32_t>(in.d >> (4 * word) & 15) << 12;
    for (int i = 0; i < 4; ++i) bits |= static_cast<uint32_t>(in.scales[word * 4 + i]) << (3 * i);
    write_u16(b + 48 + 2 * word, bits);
  }
}

}  // namespace

bool has_code_book(TensorType type) { return find_format(type) != nullptr; }

void quantize_with_book(TensorType type, const float* x, const float* w, uint8_t* b) {
  const BookFormat* format = find_format(type);
  DA_CHECK(format != nullptr);
  Codes codes;
  choose_codes(*format, book_of(type), x, w, codes);
  switch (type) {
    case TensorType::kIQ2_XXS:
      return pack_iq2_xxs(codes, b);
    case TensorType::kIQ2_XS:
      return pack_iq2_xs(codes, b);
    case TensorType::kIQ2_S:
      return pack_iq2_s(codes, b);
    case TensorType::kIQ3_XXS:
      return pack_iq3_xxs(codes, b);
    case TensorType::kIQ3_S:
      return pack_iq3_s(codes, b);
    case TensorType::kIQ1_S:
      return pack_iq1_s(codes, b);
    default:
      return pack_iq1_m(codes, b);
  }
}

}  // namespace da::quant
