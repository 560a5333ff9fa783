// Attention over pages on every instruction set against double arithmetic: heads shared or not, head sizes that fill no
// vector, windows, soft caps, pages in any order whose unused memory holds NaNs.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "backend/support.h"

namespace da::backend::cpu {
namespace {

constexpr int kPageTokens = 32;
constexpr float kSinks[] = {0.5F, 2.0F, -3.0F, 20.0F};

struct Case {
  int n_rows, first_position, heads, key_dim, value_dim;
  bool half;
  float softcap = 0;
  int window = 0;
  bool sinks = false, causal = true;
};

class Pages {
 public:
  Pages(const Case& c, uint32_t seed) : case_(c), value_stride_((c.value_dim + 15) / 16 * 16) {
    const int n_tokens = c.first_position + c.n_rows, n_pages = (n_tokens + kPageTokens - 1) / kPageTokens;
    keys = test::random_floats(static_cast<size_t>(n_tokens * c.key_dim), seed);
    values = test::random_floats(static_cast<size_t>(n_tokens * c.value_dim), seed + 1);
    element_ = c.half ? 2 : 4;
    page_bytes = static_cast<int64_t>(kPageTokens) * (c.key_dim + value_stride_) * element_;
    memory.assign(static_cast<size_t>(page_bytes) * static_cast<size_t>(n_pages + 2), 0xFF);  // NaN in either type
    for (int page = 0; page < n_pages; ++page) order.push_back(n_pages + 1 - page);
    for (int t = 0; t < n_tokens; ++t) {
      uint8_t* page = memory.data() + order[static_cast<size_t>(t / kPageTokens)] * page_bytes;
      for (int d = 0; d < c.key_dim; ++d)
        put(page, d * kPageTokens + t % kPageTokens, keys[static_cast<size_t>(t * c.key_dim + d)]);
      for (int d = 0; d < value_stride_; ++d) {
        float zero = 0;
        put(page + value_offset(), t % kPageTokens * value_stride_ + d,
            d < c.value_dim ? values[static_cast<size_t>(t * c.value_dim + d)] : zero);
      }
    }
  }
  int64_t value_offset() const { return static_cast<int64_t>(kPageTokens) * case_.key_dim * element_; }
  int value_stride() const { return value_stride_; }

  std::vector<float> keys, values;  // rounded to float16 where the pages are
  std::vector<uint8_t> memory;
  std::vector<int32_t> order;
  int64_t page_bytes = 0;

 private:
  void put(uint8_t* base, int index, float& value) const {
    if (case_.half) {
      const uint16_t half = quant::float_to_half(value);
      value = quant::half_to_float(half);
      std::memcpy(base + index * 2, &half, 2);
    } else {
      std::memcpy(base + index * 4, &value, 4);
    }
  }
  Case case_;
  int value_stride_, element_ = 4;
};

std::vector<float> run(const KernelTable& table, const Case& c, const Pages& pages, const std::vector<float>& query,
                       int first_row, int n_rows) {
  std::vector<float> out(static_cast<size_t>(c.n_rows * c.heads * c.value_dim));
  std::vector<float> scratch(
      static_cast<size_t>(kMaxQueryVectors * (c.key_dim + kPageTokens + pages.value_stride() + 3)));
  const AttentionJob job{.query = query.data() + first_row * c.heads * c.key_dim,
                         .query_stride = c.heads * c.key_dim,
                         .out = out.data() + first_row * c.heads * c.value_dim,
                         .out_stride = c.heads * c.value_dim,
                         .n_rows = n_rows,
                         .heads_per_kv = c.heads,
                         .first_position = c.first_position + first_row,
                         .key_dim = c.key_dim,
                         .value_dim = c.value_dim,
                         .value_stride = pages.value_stride(),
                         .keys = pages.memory.data(),
                         .values = pages.memory.data() + pages.value_offset(),
                         .page_bytes = pages.page_bytes,
                         .pages = pages.order.data(),
                         .half = c.half,
                         .scale = 0.3F,
                         .softcap = c.softcap,
                         .window = c.window,
                         .sinks = c.sinks ? kSinks : nullptr,
                         .last_position = c.first_position + c.n_rows - 1,
                         .causal = c.causal,
                         .scratch = scratch.data()};
  table.attention(job);
  return out;
}

void check(const KernelTable& table, const Case& c) {
  SCOPED_TRACE(std::string(table.name) + " rows " + std::to_string(c.n_rows) + " at " +
               std::to_string(c.first_position) + " heads " + std::to_string(c.heads) + " dims " +
               std::to_string(c.key_dim) + "/" + std::to_string(c.value_dim) + " window " + std::to_string(c.window));
  const Pages pages(c, 11);
  const auto query = test::random_floats(static_cast<size_t>(c.n_rows * c.heads * c.key_dim), 5);
  const auto out = run(table, c, pages, query, 0, c.n_rows);
  for (int row = 0; row < c.n_rows; ++row) {
    const int position = c.first_position + row;
    const int last = c.causal ? position : c.first_position + c.n_rows - 1;
    const int first = c.window > 0 ? std::max(0, position - c.window + 1) : 0;
    for (int head = 0; head < c.heads; ++head) {
      const float* q = query.data() + (row * c.heads + head) * c.key_dim;
      std::vector<double> weights;
      double total = 0, largest_score = 0;
      for (int t = first; t <= last; ++t) {
        double score = 0;
        for (int d = 0; d < c.key_dim; ++d)
          score += static_cast<double>(q[d] * 0.3F) * pages.keys[static_cast<size_t>(t * c.key_dim + d)];
        if (c.softcap > 0) score = c.softcap * std::tanh(score / c.softcap);
        largest_score = std::max(largest_score, std::fabs(score));
        weights.push_back(std::exp(score));
        total += weights.back();
      }
      if (c.sinks) total += std::exp(static_cast<double>(kSinks[head]));
      for (int d = 0; d < c.value_dim; ++d) {
        double expected = 0, magnitude = 0;
        for (int t = first; t <= last; ++t) {
          const double term =
              weights[static_cast<size_t>(t - first)] / total * pages.values[static_cast<size_t>(t * c.value_dim + d)];
          expected += term;
          magnitude += std::fabs(term);
        }
        // A score errs by its own sum's rounding, the exponential passes that on; then the sums over tokens.
        const double relative = ((largest_score + 4) * (c.key_dim + 16) + (last - first + 16)) * 0x1p-24;
        ASSERT_NEAR(out[static_cast<size_t>((row * c.heads + head) * c.value_dim + d)], expected, magnitude * relative)
            << "row " << row << " head " << head << " dim " << d;
      }
    }
    const auto alone = run(table, c, pages, query, row, 1);
    const size_t begin = static_cast<size_t>(row * c.heads * c.value_dim),
                 bytes = static_cast<size_t>(c.heads * c.value_dim) * sizeof(float);
    ASSERT_EQ(std::memcmp(alone.data() + begin, out.data() + begin, bytes), 0)
        << "row " << row << " differs from the same row alone";
  }
}

TEST(Attention, AgainstTheDefinition) {
  for (const KernelTable* table : test::tables()) {
    for (const bool half : {false, true}) {
      check(*table, {.n_rows = 1, .first_position = 0, .heads = 1, .key_dim = 8, .value_dim = 8, .half = half});
      check(*table, {.n_rows = 1, .first_position = 100, .heads = 4, .key_dim = 64, .value_dim = 64, .half = half});
      check(*table, {.n_rows = 8, .first_position = 29, .heads = 4, .key_dim = 20, .value_dim = 37, .half = half});
      check(*table, {.n_rows = 10, .first_position = 60, .heads = 3, .key_dim = 128, .value_dim = 16, .half = half});
      check(*table, {.n_rows = 32, .first_position = 0, .heads = 1, .key_dim = 33, .value_dim = 48, .half = half});
      check(*table, {.n_rows = 8,
                     .first_position = 90,
                     .heads = 4,
                     .key_dim = 16,
                     .value_dim = 16,
                     .half = half,
                     .softcap = 2.0F});
      check(*table, {.n_rows = 16,
                     .first_position = 0,
                     .heads = 2,
                     .key_dim = 16,
                     .value_dim = 16,
                     .half = half,
                     .softcap = 0,
                     .window = 5});
      check(*table, {.n_rows = 16,
                     .first_position = 120,
                     .heads = 2,
                     .key_dim = 16,
                     .value_dim = 16,
                     .half = half,
                     .softcap = 0,
                     .window = 40});
    }
  }
}

TEST(Attention, SinksAndRowsThatSeeWhatFollows) {
  for (const KernelTable* table : test::tables()) {
    for (const bool half : {false, true}) {
      Case c{
          .n_rows = 8, .first_position = 29, .heads = 4, .key_dim = 16, .value_dim = 20, .half = half, .sinks = true};
      check(*table, c);
      c.window = 5;
      check(*table, c);
      c = {
          .n_rows = 10, .first_position = 0, .heads = 3, .key_dim = 16, .value_dim = 16, .half = half, .causal = false};
      check(*table, c);
      c.first_position = 60;
      check(*table, c);
    }
  }
}

}  // namespace
}  // namespace da::backend::cpu
