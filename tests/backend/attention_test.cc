// Attention over pages on every instruction set against double arithmetic: heads shared or not, head sizes that fill no
// vector, windows, soft caps, pages in any order whose unused memory holds NaNs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "backend/cpu/attention.h"
#include "backend/cpu/kv_pool.h"
#include "backend/support.h"

namespace da::backend::cpu {
namespace {

constexpr int kPageTokens = 32;
constexpr float kSinks[] = {0.5F, 2.0F, -3.0F, 20.0F};

const KvTypes kTypes[] = {KvType::kF32,
                          KvType::kF16,
                          KvType::kBF16,
                          KvType::kQ8_0,
                          KvType::kQ4_0,
                          {KvType::kQ8_0, KvType::kF16},
                          {KvType::kF16, KvType::kQ4_0}};

struct Case {
  int n_rows, first_position, heads, key_dim, value_dim;
  KvTypes type;
  float softcap = 0;
  int window = 0;
  bool sinks = false, causal = true;
};

// What is read back of a head's values.
void round_as_kept(KvType type, float* values, int dim) {
  for (int begin = 0; begin < dim; begin += 32) {
    const int end = std::min(begin + 32, dim);
    float largest = 0;
    for (int i = begin; i < end; ++i) {
      if (std::fabs(values[i]) > std::fabs(largest)) largest = values[i];
    }
    const auto half = [](float value) { return quant::half_to_float(quant::float_to_half(value)); };
    for (int i = begin; i < end; ++i) {
      float& value = values[i];
      switch (type) {
        case KvType::kF32:
          break;
        case KvType::kF16:
          value = half(value);
          break;
        case KvType::kBF16:
          value = quant::bf16_to_float(quant::float_to_bf16(value));
          break;
        case KvType::kQ8_0: {
          const float scale = half(std::fabs(largest) / 127);
          value = scale * std::clamp(std::nearbyint(value * (1 / scale)), -127.0F, 127.0F);
          break;
        }
        case KvType::kQ4_0: {
          const float scale = half(largest / -8);
          value = scale * (std::clamp(std::nearbyint(value * (1 / scale) + 8), 0.0F, 15.0F) - 8);
          break;
        }
      }
    }
  }
}

// One layer of one key-value head, its pages in any order, and all memory that holds no token full of NaNs.
class Pages {
 public:
  Pages(const Case& c, const KernelTable& kernels, uint32_t seed) {
    const int n_tokens = c.first_position + c.n_rows, n_pages = (n_tokens + kPageTokens - 1) / kPageTokens;
    keys = test::random_floats(static_cast<size_t>(n_tokens * c.key_dim), seed);
    values = test::random_floats(static_cast<size_t>(n_tokens * c.value_dim), seed + 1);
    pool =
        std::move(CpuKvPool::make({.layers = {{1, c.key_dim, c.value_dim}}, .type = c.type, .max_pages = n_pages + 2}))
            .value();
    EXPECT_TRUE(pool->grow(n_pages + 2).is_ok());
    std::memset(pool->keys(0, 0), 0xFF, pool->page_bytes * static_cast<size_t>(n_pages + 2));
    for (int page = 0; page < n_pages; ++page) order.push_back(n_pages + 1 - page);
    // What lies beside the tokens' own values in a row is zero, as in new memory.
    for (int t = 0; t < n_tokens; ++t) {
      float *key = keys.data() + t * c.key_dim, *value = values.data() + t * c.value_dim;
      if (pool->value_stride(0) > c.value_dim) clear_row(t);
      pool->store(0, 0, order[static_cast<size_t>(t / kPageTokens)], t % kPageTokens, key, value, kernels);
      round_as_kept(c.type.key, key, c.key_dim);
      round_as_kept(c.type.value, value, c.value_dim);
    }
  }

  std::vector<float> keys, values;  // as kept
  std::vector<int32_t> order;
  std::unique_ptr<CpuKvPool> pool;

 private:
  void clear_row(int t) const {
    const int element = pool->spec.type.value == KvType::kF32 ? 4 : 2;
    if (pool->spec.type.value >= KvType::kQ8_0) return;  // written whole
    std::memset(
        pool->values(0, 0) +
            static_cast<int64_t>(order[static_cast<size_t>(t / kPageTokens)]) * static_cast<int64_t>(pool->page_bytes) +
            int64_t{t % kPageTokens} * pool->value_stride(0) * element,
        0, static_cast<size_t>(pool->value_stride(0) * element));
  }
};

std::vector<float> run(const KernelTable& table, const Case& c, const Pages& pages, const std::vector<float>& query,
                       int first_row, int n_rows, bool pieces_apart = false) {
  std::vector<float> out(static_cast<size_t>(c.n_rows * c.heads * c.value_dim));
  const auto scratch =
      std::move(
          Memory::allocate(
              static_cast<uint64_t>(attention_scratch_floats(c.key_dim, pages.pool->value_stride(0))) * sizeof(float),
              "scratch"))
          .value();
  AttentionJob job{.query = query.data() + first_row * c.heads * c.key_dim,
                   .query_stride = c.heads * c.key_dim,
                   .out = out.data() + first_row * c.heads * c.value_dim,
                   .out_stride = c.heads * c.value_dim,
                   .n_rows = n_rows,
                   .heads_per_kv = c.heads,
                   .first_position = c.first_position + first_row,
                   .key_dim = c.key_dim,
                   .value_dim = c.value_dim,
                   .value_stride = pages.pool->value_stride(0),
                   .keys = pages.pool->keys(0, 0),
                   .values = pages.pool->values(0, 0),
                   .page_bytes = static_cast<int64_t>(pages.pool->page_bytes),
                   .pages = pages.order.data(),
                   .key_type = static_cast<KvElement>(c.type.key),
                   .value_type = static_cast<KvElement>(c.type.value),
                   .scale = 0.3F,
                   .softcap = c.softcap,
                   .window = c.window,
                   .sinks = c.sinks ? kSinks : nullptr,
                   .last_position = c.first_position + c.n_rows - 1,
                   .causal = c.causal,
                   .scratch = scratch.floats(),
                   .piece_begin = 0,
                   .piece_end = 0};
  set_attention_pieces(job);
  if (!pieces_apart) {
    table.attention(job);
    return out;
  }
  const int64_t part = attention_part_floats(n_rows * c.heads, job.value_stride);
  std::vector<float> parts(static_cast<size_t>(part * (job.piece_end - job.piece_begin)));
  AttentionJob piece = job;
  piece.step = AttentionStep::kRun;
  for (int i = job.piece_end - 1; i >= job.piece_begin; --i) {
    piece.piece_begin = i;
    piece.piece_end = i + 1;
    piece.parts = parts.data() + (i - job.piece_begin) * part;
    table.attention(piece);
  }
  job.step = AttentionStep::kAdd;
  job.parts = parts.data();
  table.attention(job);
  return out;
}

// The query, scaled, as it meets the keys: rounded to 8 bits where they are in blocks.
std::vector<float> as_multiplied(const KernelTable& table, const Case& c, const float* query) {
  std::vector<float> scaled(static_cast<size_t>((c.key_dim + 31) / 32 * 32));
  for (int d = 0; d < c.key_dim; ++d) scaled[static_cast<size_t>(d)] = query[d] * 0.3F;
  if (c.type.key < KvType::kQ8_0) return scaled;
  std::vector<QuantBlock> blocks(scaled.size() / 32);
  table.quantize(scaled.data(), static_cast<int64_t>(scaled.size()), blocks.data());
  for (size_t d = 0; d < scaled.size(); ++d)
    scaled[d] = blocks[d / 32].scale * static_cast<float>(blocks[d / 32].codes[d % 32]);
  return scaled;
}

void check(const KernelTable& table, const Case& c) {
  SCOPED_TRACE(std::string(table.name) + " rows " + std::to_string(c.n_rows) + " at " +
               std::to_string(c.first_position) + " heads " + std::to_string(c.heads) + " dims " +
               std::to_string(c.key_dim) + "/" + std::to_string(c.value_dim) + " window " + std::to_string(c.window) +
               " " + name_of(c.type));
  const Pages pages(c, table, 11);
  const auto query = test::random_floats(static_cast<size_t>(c.n_rows * c.heads * c.key_dim), 5);
  const auto out = run(table, c, pages, query, 0, c.n_rows);
  for (int row = 0; row < c.n_rows; ++row) {
    const int position = c.first_position + row;
    const int last = c.causal ? position : c.first_position + c.n_rows - 1;
    const int first = c.window > 0 ? std::max(0, position - c.window + 1) : 0;
    for (int head = 0; head < c.heads; ++head) {
      const std::vector<float> q = as_multiplied(table, c, query.data() + (row * c.heads + head) * c.key_dim);
      std::vector<double> weights;
      double total = 0, largest_score = 0;
      for (int t = first; t <= last; ++t) {
        double score = 0;
        for (int d = 0; d < c.key_dim; ++d)
          score += static_cast<double>(q[static_cast<size_t>(d)]) * pages.keys[static_cast<size_t>(t * c.key_dim + d)];
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
    const auto apart = run(table, c, pages, query, row, 1, true);
    ASSERT_EQ(std::memcmp(apart.data() + begin, out.data() + begin, bytes), 0)
        << "row " << row << " differs when its pieces are run apart";
  }
}

TEST(Attention, AgainstTheDefinition) {
  for (const KernelTable* table : test::tables()) {
    for (const KvTypes type : kTypes) {
      check(*table, {.n_rows = 1, .first_position = 0, .heads = 1, .key_dim = 8, .value_dim = 8, .type = type});
      check(*table, {.n_rows = 1, .first_position = 100, .heads = 4, .key_dim = 64, .value_dim = 64, .type = type});
      check(*table, {.n_rows = 8, .first_position = 29, .heads = 4, .key_dim = 20, .value_dim = 37, .type = type});
      check(*table, {.n_rows = 10, .first_position = 60, .heads = 3, .key_dim = 128, .value_dim = 16, .type = type});
      check(*table, {.n_rows = 32, .first_position = 0, .heads = 1, .key_dim = 33, .value_dim = 48, .type = type});
      check(*table, {.n_rows = 8,
                     .first_position = 90,
                     .heads = 4,
                     .key_dim = 16,
                     .value_dim = 16,
                     .type = type,
                     .softcap = 2.0F});
      check(*table, {.n_rows = 16,
                     .first_position = 0,
                     .heads = 2,
                     .key_dim = 16,
                     .value_dim = 16,
                     .type = type,
                     .softcap = 0,
                     .window = 5});
      check(*table, {.n_rows = 16,
                     .first_position = 120,
                     .heads = 2,
                     .key_dim = 16,
                     .value_dim = 16,
                     .type = type,
                     .softcap = 0,
                     .window = 40});
    }
  }
}

TEST(Attention, SinksAndRowsThatSeeWhatFollows) {
  for (const KernelTable* table : test::tables()) {
    for (const KvTypes type : kTypes) {
      Case c{
          .n_rows = 8, .first_position = 29, .heads = 4, .key_dim = 16, .value_dim = 20, .type = type, .sinks = true};
      check(*table, c);
      c.window = 5;
      check(*table, c);
      c = {
          .n_rows = 10, .first_position = 0, .heads = 3, .key_dim = 16, .value_dim = 16, .type = type, .causal = false};
      check(*table, c);
      c.first_position = 60;
      check(*table, c);
    }
  }
}

TEST(Attention, AroundTheBordersOfPieces) {
  static_assert(kPieceTokens == 1024);
  for (const KernelTable* table : test::tables()) {
    for (const KvTypes type : kTypes) {
      Case c{.n_rows = 4, .first_position = 1022, .heads = 2, .key_dim = 16, .value_dim = 16, .type = type};
      check(*table, c);
      c.sinks = true;
      check(*table, c);
      c.softcap = 2.0F;
      check(*table, c);
      // Windows of some rows end where a piece does, those of others in the next.
      c = {
          .n_rows = 12, .first_position = 1057, .heads = 2, .key_dim = 16, .value_dim = 16, .type = type, .window = 40};
      check(*table, c);
      c.sinks = true;
      check(*table, c);
      c = {.n_rows = 1, .first_position = 3071, .heads = 3, .key_dim = 20, .value_dim = 37, .type = type};
      check(*table, c);
      c.first_position = 3072;
      c.window = 1500;
      check(*table, c);
      c = {.n_rows = 10, .first_position = 1020, .heads = 1, .key_dim = 16, .value_dim = 16, .type = type};
      c.causal = false;
      check(*table, c);
    }
  }
}

// With four threads the jobs of a long context are run in pieces, with one they are not.
TEST(Attention, ThreadsDoNotChangeABit) {
  constexpr int kHeads = 6, kKvHeads = 2, kDim = 64, kTokens = 5000, kRows = 3;
  const KvSpec spec{.layers = {{kKvHeads, kDim, kDim}}, .type = KvType::kF16, .max_pages = 160};
  const auto query = test::random_floats(kRows * kHeads * kDim, 3, 3.0F);
  std::vector<int32_t> pages(spec.max_pages);
  std::iota(pages.rbegin(), pages.rend(), 0);
  for (const KernelTable* table : test::tables()) {
    std::vector<float> first;
    for (const int n_threads : {1, 4}) {
      const auto backend = std::move(make_cpu_backend({.n_threads = n_threads, .isa = table->name})).value();
      const auto pool = std::move(backend->make_kv_pool(spec)).value();
      ASSERT_TRUE(pool->grow(spec.max_pages).is_ok());
      auto& kept = static_cast<CpuKvPool&>(*pool);
      for (int head = 0; head < kKvHeads; ++head) {
        const auto values = test::random_floats(2 * kTokens * kDim, static_cast<uint32_t>(head));
        for (int t = 0; t < kTokens; ++t) {
          const float* key = values.data() + size_t{2} * kDim * static_cast<size_t>(t);
          kept.store(0, head, pages[static_cast<size_t>(t / kPageTokens)], t % kPageTokens, key, key + kDim, *table);
        }
      }
      const auto in = std::move(backend->make_activation(kHeads * kDim, kRows, {})).value();
      const auto out = std::move(backend->make_activation(kHeads * kDim, kRows, {})).value();
      const int32_t tokens[kRows] = {};
      const SequenceRows sequences[] = {{.n_rows = kRows, .first_position = kTokens - kRows, .pages = pages}};
      backend->begin({.token_ids = tokens, .sequences = sequences, .output_rows = {}});
      ASSERT_TRUE(backend->write_rows({query.data(), kRows, kHeads * kDim, kHeads * kDim}, *in).is_ok());
      for (int again = 0; again < 20; ++again) {
        backend->attention({.n_heads = kHeads, .scale = 0.125F}, 0, *in, *pool, *out);
        const auto rows = backend->read_rows(*out);
        ASSERT_TRUE(rows.is_ok());
        std::vector<float> got;
        for (int64_t i = 0; i < rows->n_rows; ++i) got.insert(got.end(), rows->row(i).begin(), rows->row(i).end());
        if (first.empty()) first = got;
        ASSERT_EQ(got.size(), first.size());
        ASSERT_EQ(std::memcmp(got.data(), first.data(), got.size() * sizeof(float)), 0) << table->name;
      }
    }
  }
}

}  // namespace
}  // namespace da::backend::cpu
