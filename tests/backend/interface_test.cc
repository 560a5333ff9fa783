// Every backend through the interface against double arithmetic: products of every type, rotation, attention over
// ragged batches in pages of any order, the largest value. Tolerances follow from the formats: how far activations may
// be rounded, and float32 sums in any order.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>

#include "backend/backends.h"
#include "backend/device_backend.h"
#include "backend/support.h"
#include "support/gpu_notes.h"

namespace da::backend {
namespace {

using cpu::test::random_floats;
using cpu::test::random_rows;
using gguf::TensorType;

class Interface : public testing::TestWithParam<std::string> {
 protected:
  Interface() : backend_(test::make_backend(GetParam())) {}
  std::unique_ptr<Activation> rows(int64_t width, int32_t n_rows, const std::vector<float>& values = {},
                                   std::vector<const Weight*> readers = {}) {
    auto made = std::move(backend_->make_activation(width, n_rows, readers)).value();
    if (!values.empty()) {
      EXPECT_TRUE(backend_->write_rows({values.data(), n_rows, width, width}, *made).is_ok());
    }
    return made;
  }
  std::unique_ptr<Vector> vector(const std::vector<float>& values) {
    return std::move(backend_->load_vector(values)).value();
  }
  std::vector<float> read(const Activation& activation) {
    const auto view = backend_->read_rows(activation);
    EXPECT_TRUE(view.is_ok()) << view.status().message();
    std::vector<float> out;
    for (int64_t i = 0; view.is_ok() && i < view->n_rows; ++i)
      out.insert(out.end(), view->row(i).begin(), view->row(i).end());
    return out;
  }
  std::unique_ptr<Backend> backend_;
};

struct Product {
  int64_t n_out, n_in;
  int32_t n_rows;
  bool extras;  // bias, scale, added onto what is there
};

std::vector<std::byte> blocks_of(TensorType type, int64_t n_values) {
  if (type != TensorType::kF64) return random_rows(type, n_values, 7);
  const auto floats = random_floats(static_cast<size_t>(n_values), 7);
  const std::vector<double> values(floats.begin(), floats.end());
  std::vector<std::byte> out(values.size() * sizeof(double));
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

// How far a product with `type` may be off: what rounding the activations and widening the weights do.
double allowed_error(TensorType type, const float* weights, const float* input, int64_t n_in) {
  const bool quantized = quant::can_dequantize(type) && gguf::tensor_type_info(type).values_per_block >= 32;
  double magnitude = 0, rounding = 0;
  for (int64_t begin = 0; begin < n_in; begin += 32) {
    double largest = 0, sum = 0;
    for (int64_t k = begin; k < std::min(begin + 32, n_in); ++k) {
      largest = std::max(largest, std::fabs(static_cast<double>(input[k])));
      sum += std::fabs(static_cast<double>(weights[k]));
      magnitude += std::fabs(static_cast<double>(weights[k]) * input[k]);
    }
    if (quantized) rounding += sum * largest / 254 * 1.001;
  }
  // tf32 rounds the activations of half-width weights to 11 bits; types without kernels of their own may be brought to
  // float16 before.
  if (type != TensorType::kF32) rounding += magnitude * 0x1.001p-10;
  return rounding + magnitude * static_cast<double>(n_in + 32) * 0x1p-23 + 1e-30;
}

TEST_P(Interface, ProductsOfEveryType) {
  for (const TensorType type : cpu::test::weight_types()) {
    const auto& info = gguf::tensor_type_info(type);
    const int64_t unit = info.values_per_block;
    for (const Product& c : {Product{37, unit * 5, 1, true}, Product{8, unit, 2, false}, Product{70, unit * 3, 7, true},
                             Product{65, unit * 6, 9, true}, Product{19, unit * 2, 67, false},
                             Product{1, unit == 1 ? 33 : unit, 40, true}, Product{521, unit, 3, true}}) {
      SCOPED_TRACE(std::string(info.name) + " " + std::to_string(c.n_out) + "x" + std::to_string(c.n_in) + " rows " +
                   std::to_string(c.n_rows));
      const auto blocks = blocks_of(type, c.n_out * c.n_in);
      std::vector<float> weights(static_cast<size_t>(c.n_out * c.n_in));
      ASSERT_TRUE(quant::dequantize(type, blocks.data(), weights.data(), weights.size()).is_ok());
      gguf::Tensor tensor;
      tensor.name = "w";
      tensor.type = type;
      tensor.n_dims = 2;
      tensor.dims = {static_cast<uint64_t>(c.n_in), static_cast<uint64_t>(c.n_out), 1, 1};
      tensor.size_bytes = blocks.size();
      tensor.data = blocks;
      auto loaded = backend_->load_weight(tensor, {});
      ASSERT_TRUE(loaded.is_ok()) << loaded.status().message();
      const auto weight = std::move(*loaded);
      EXPECT_GT(weight->size_bytes, 0U);
      const auto input = random_floats(static_cast<size_t>(c.n_rows * c.n_in), 8);
      const auto bias = random_floats(static_cast<size_t>(c.n_out), 9);
      const auto before = random_floats(static_cast<size_t>(c.n_rows * c.n_out), 10);
      const auto in = rows(c.n_in, c.n_rows, input, {weight.get()}), out = rows(c.n_out, c.n_rows, before);
      const auto loaded_bias = vector(bias);
      LinearSpec spec{.weight = weight.get(), .out = out.get()};
      if (c.extras) spec = {weight.get(), out.get(), loaded_bias.get(), true, 0.5F};
      backend_->linear(*in, {&spec, 1});
      const auto found = read(*out);
      for (int64_t r = 0; r < c.n_rows; ++r) {
        for (int64_t o = 0; o < c.n_out; ++o) {
          const float *w = weights.data() + o * c.n_in, *x = input.data() + r * c.n_in;
          double expected = 0;
          for (int64_t k = 0; k < c.n_in; ++k) expected += static_cast<double>(w[k]) * x[k];
          const auto at = static_cast<size_t>(r * c.n_out + o);
          double slack = allowed_error(type, w, x, c.n_in);
          if (c.extras) {
            expected = before[at] + 0.5 * (expected + bias[static_cast<size_t>(o)]);
            slack += (std::fabs(before[at]) + std::fabs(bias[static_cast<size_t>(o)])) * 0x1p-22;
          }
          ASSERT_NEAR(found[at], expected, slack) << "row " << r << " output " << o;
        }
      }
    }
    da::test::note_gpu("operations", "product", std::string(info.name));
  }
}

TEST_P(Interface, WhatIsNoNumberStaysNoNumber) {
  const auto blocks = random_rows(TensorType::kQ8_0, 32 * 64, 3);
  gguf::Tensor tensor;
  tensor.name = "w";
  tensor.type = TensorType::kQ8_0;
  tensor.n_dims = 2;
  tensor.dims = {64, 32, 1, 1};
  tensor.size_bytes = blocks.size();
  tensor.data = blocks;
  const auto weight = std::move(backend_->load_weight(tensor, {})).value();
  for (const int32_t n_rows : {2, 12}) {
    for (const float bad : {NAN, INFINITY}) {
      auto input = random_floats(static_cast<size_t>(n_rows) * 64, 4);
      input[64 + 40] = bad;
      const auto in = rows(64, n_rows, input, {weight.get()}), out = rows(32, n_rows);
      const LinearSpec spec{.weight = weight.get(), .out = out.get()};
      backend_->linear(*in, {&spec, 1});
      const auto found = read(*out);
      EXPECT_TRUE(std::isfinite(found[0]));
      EXPECT_TRUE(std::isnan(found[32]));
      std::vector<int32_t> largest(static_cast<size_t>(n_rows));
      ASSERT_TRUE(backend_->argmax(*out, largest).is_ok());
      EXPECT_GE(largest[0], 0);
      EXPECT_EQ(largest[1], -1);
    }
  }
  da::test::note_gpu("operations", "largest value", "no numbers");
}

TEST_P(Interface, TheLargestValueIsTheLowestOfEquals) {
  constexpr int64_t kWidth = 700;
  auto values = random_floats(3 * kWidth, 5);
  values[650] = values[333] = 100.0F;
  values[kWidth] = 100.0F;
  values[3 * kWidth - 1] = 100.0F;
  std::vector<int32_t> largest(3);
  ASSERT_TRUE(backend_->argmax(*rows(kWidth, 3, values), largest).is_ok());
  EXPECT_EQ(largest, (std::vector<int32_t>{333, 0, kWidth - 1}));
  da::test::note_gpu("operations", "largest value", "float32");
}

// What of it is for devices alone: on the host nothing needs to be brought.
TEST_P(Interface, TheLargestValuesOfEachRow) {
  auto* device = dynamic_cast<DeviceBackend*>(backend_.get());
  if (device == nullptr) return;
  constexpr int32_t kRows = 5;
  for (const int64_t width : {1, 31, 256, 257, 1000, 5003}) {
    for (const int32_t k : {1, 5, 40, 128}) {
      if (k > width) continue;
      auto values = random_floats(static_cast<size_t>(kRows * width), static_cast<uint32_t>(width + k));
      const auto row = [&](int32_t r) {
        return std::span(values).subspan(static_cast<size_t>(r * width), static_cast<size_t>(width));
      };
      for (float& value : row(1)) value = std::floor(value * 3);  // with many equals, zeros of both signs among them
      for (float& value : row(2)) value = -7.5F;
      std::sort(row(3).begin(), row(3).end());
      row(4)[static_cast<size_t>(width / 2)] = width % 2 == 0 ? NAN : -INFINITY;
      std::vector<Candidate> found(static_cast<size_t>(kRows * k));
      ASSERT_TRUE(device->top_k(*rows(width, kRows, values), k, found).is_ok());
      for (int32_t r = 0; r < 4; ++r) {
        std::vector<int32_t> best(static_cast<size_t>(width)), columns;
        for (size_t i = 0; i < best.size(); ++i) best[i] = static_cast<int32_t>(i);
        std::stable_sort(best.begin(), best.end(), [&](int32_t a, int32_t b) {
          return row(r)[static_cast<size_t>(a)] > row(r)[static_cast<size_t>(b)];
        });
        best.resize(static_cast<size_t>(k));
        std::sort(best.begin(), best.end());
        for (const Candidate& candidate :
             std::span(found).subspan(static_cast<size_t>(r * k), static_cast<size_t>(k))) {
          columns.push_back(candidate.column);
          ASSERT_EQ(candidate.value, row(r)[static_cast<size_t>(candidate.column)]);
        }
        std::sort(columns.begin(), columns.end());
        ASSERT_EQ(columns, best) << "row " << r << " of " << width << ", the best " << k;
      }
      EXPECT_EQ(found[static_cast<size_t>(4 * k)].column, -1) << width;
    }
  }
  da::test::note_gpu("operations", "largest values", "float32");
}

// --- attention -------------------------------------------------------------------------------------------------------
struct Attention {
  int32_t heads, kv_heads, key_dim, value_dim;
  KvTypes type;
  int32_t window = 0;
  float softcap = 0;
  bool sinks = false, causal = true;
};

// What is read back of [heads][dim] that were kept as `type`.
void round_as_kept(KvType type, int32_t dim, std::span<float> values) {
  const auto half = [](float value) { return quant::half_to_float(quant::float_to_half(value)); };
  for (size_t head = 0; head < values.size(); head += static_cast<size_t>(dim)) {
    for (int32_t begin = 0; begin < dim; begin += 32) {
      const std::span<float> block =
          values.subspan(head + static_cast<size_t>(begin), static_cast<size_t>(std::min(32, dim - begin)));
      const float largest =
          *std::max_element(block.begin(), block.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
      const float scale = half(type == KvType::kQ4_0 ? largest / -8 : std::fabs(largest) / 127);
      for (float& value : block) {
        if (type == KvType::kF16) value = half(value);
        if (type == KvType::kBF16) value = quant::bf16_to_float(quant::float_to_bf16(value));
        if (type == KvType::kQ8_0) value = scale * std::clamp(std::nearbyint(value * (1 / scale)), -127.0F, 127.0F);
        if (type == KvType::kQ4_0)
          value = scale * (std::clamp(std::nearbyint(value * (1 / scale) + 8), 0.0F, 15.0F) - 8);
      }
    }
  }
}

// Sequences that grow by steps, each with pages of its own in random order, and what they must see.
class Conversation {
 public:
  Conversation(Backend& backend, const Attention& c, size_t n_sequences)
      : backend_(backend), c_(c), keys_(n_sequences), values_(n_sequences), pages_(n_sequences) {
    pool_ =
        std::move(backend.make_kv_pool(
                      {.layers = {{1, 8, 8}, {c.kv_heads, c.key_dim, c.value_dim}}, .type = c.type, .max_pages = 64}))
            .value();
    EXPECT_TRUE(pool_->grow(40).is_ok());
    for (int32_t page = 0; page < 40; ++page) free_.push_back(page);
    std::shuffle(free_.begin(), free_.end(), std::mt19937(3));
    sink_values_ = random_floats(static_cast<size_t>(c.heads), 77);
    sinks_ = std::move(backend.load_vector(sink_values_)).value();
  }

  void step(const std::vector<int32_t>& n_rows_each) {
    std::vector<SequenceRows> sequences;
    int32_t n_rows = 0;
    for (size_t s = 0; s < n_rows_each.size(); ++s) {
      const auto first = static_cast<int32_t>(keys_[s].size() / static_cast<size_t>(c_.kv_heads * c_.key_dim));
      while (static_cast<int32_t>(pages_[s].size()) * kPageTokens < first + n_rows_each[s]) {
        pages_[s].push_back(free_.back());
        free_.pop_back();
      }
      if (n_rows_each[s] > 0) sequences.push_back({n_rows, n_rows_each[s], first, pages_[s]});
      n_rows += n_rows_each[s];
    }
    const std::vector<int32_t> tokens(static_cast<size_t>(n_rows), 1);
    const auto make = [&](int64_t width, std::vector<float>& values) {
      values = random_floats(static_cast<size_t>(n_rows * width), ++seed_);
      auto made = std::move(backend_.make_activation(width, n_rows, {})).value();
      EXPECT_TRUE(backend_.write_rows({values.data(), n_rows, width, width}, *made).is_ok());
      return made;
    };
    std::vector<float> q, k, v;
    backend_.begin({.token_ids = tokens, .sequences = sequences, .output_rows = {}});
    const auto query = make(c_.heads * c_.key_dim, q), key = make(c_.kv_heads * c_.key_dim, k),
               value = make(c_.kv_heads * c_.value_dim, v);
    const auto out = std::move(backend_.make_activation(c_.heads * c_.value_dim, n_rows, {})).value();
    backend_.rope_store({}, 1, *query, key.get(), value.get(), *pool_);
    backend_.attention({.n_heads = c_.heads,
                        .scale = 0.3F,
                        .softcap = c_.softcap,
                        .window = c_.window,
                        .sinks = c_.sinks ? sinks_.get() : nullptr,
                        .causal = c_.causal},
                       1, *query, *pool_, *out);
    const auto view = backend_.read_rows(*out);
    ASSERT_TRUE(view.is_ok()) << view.status().message();
    size_t sequence = 0;
    int32_t row = 0;
    for (size_t s = 0; s < n_rows_each.size(); ++s) {
      if (n_rows_each[s] == 0) continue;
      append(k, row * c_.kv_heads * c_.key_dim, n_rows_each[s] * c_.kv_heads * c_.key_dim, c_.type.key, c_.key_dim,
             keys_[s]);
      append(v, row * c_.kv_heads * c_.value_dim, n_rows_each[s] * c_.kv_heads * c_.value_dim, c_.type.value,
             c_.value_dim, values_[s]);
      const SequenceRows& rows = sequences[sequence++];
      for (int32_t i = 0; i < rows.n_rows; ++i, ++row) {
        const int32_t last = c_.causal ? rows.first_position + i : rows.first_position + rows.n_rows - 1;
        for (int32_t h = 0; h < c_.heads; ++h)
          check(s, last, h, q.data() + (row * c_.heads + h) * c_.key_dim, view->row(row).data() + h * c_.value_dim);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }

 private:
  static void append(const std::vector<float>& from, int32_t begin, int32_t n, KvType type, int32_t dim,
                     std::vector<float>& to) {
    const auto first = static_cast<std::ptrdiff_t>(to.size());
    to.insert(to.end(), from.begin() + begin, from.begin() + begin + n);
    round_as_kept(type, dim, std::span(to).subspan(static_cast<size_t>(first)));
  }
  // How far a score may be off because the query meets blocks of keys as 8-bit codes (the CPU's way).
  double query_rounding(const float* query, const float* key) const {
    if (c_.type.key < KvType::kQ8_0 || backend_.description().starts_with("GPU")) return 0;
    double error = 0;
    for (int32_t begin = 0; begin < c_.key_dim; begin += 32) {
      double largest = 0, sum = 0;
      for (int32_t d = begin; d < std::min(begin + 32, c_.key_dim); ++d) {
        largest = std::max(largest, std::fabs(static_cast<double>(query[d]) * 0.3));
        sum += std::fabs(static_cast<double>(key[d]));
      }
      error += largest / 254 * sum;
    }
    return error;
  }
  void check(size_t s, int32_t last, int32_t head, const float* query, const float* found) const {
    const int32_t kv_head = head / (c_.heads / c_.kv_heads);
    const int32_t first = c_.window > 0 ? std::max(0, last - c_.window + 1) : 0;
    std::vector<double> weights;
    double total = c_.sinks ? std::exp(static_cast<double>(sink_values_[static_cast<size_t>(head)])) : 0.0;
    double largest_score = 0, rounding = 0;
    for (int32_t t = first; t <= last; ++t) {
      double score = 0;
      rounding = std::max(
          rounding, query_rounding(query, &keys_[s][static_cast<size_t>((t * c_.kv_heads + kv_head) * c_.key_dim)]));
      for (int32_t d = 0; d < c_.key_dim; ++d)
        score += static_cast<double>(query[d] * 0.3F) *
                 keys_[s][static_cast<size_t>((t * c_.kv_heads + kv_head) * c_.key_dim + d)];
      if (c_.softcap > 0) score = c_.softcap * std::tanh(score / c_.softcap);
      largest_score = std::max(largest_score, std::fabs(score));
      weights.push_back(std::exp(score));
      total += weights.back();
    }
    for (int32_t d = 0; d < c_.value_dim; ++d) {
      double expected = 0, magnitude = 0;
      for (int32_t t = first; t <= last; ++t) {
        const double term = weights[static_cast<size_t>(t - first)] / total *
                            values_[s][static_cast<size_t>((t * c_.kv_heads + kv_head) * c_.value_dim + d)];
        expected += term;
        magnitude += std::fabs(term);
      }
      const double relative = ((largest_score + 4) * (c_.key_dim + 16) + (last - first + 32)) * 0x1p-23;
      ASSERT_NEAR(found[d], expected, magnitude * (relative + 2 * std::expm1(rounding)) + 1e-7)
          << "sequence " << s << " to " << last << " head " << head << " dim " << d;
    }
  }

  Backend& backend_;
  Attention c_;
  std::vector<std::vector<float>> keys_, values_;  // [tokens][kv_heads][dim], as stored
  std::vector<std::vector<int32_t>> pages_;
  std::vector<int32_t> free_;
  std::vector<float> sink_values_;
  std::unique_ptr<Vector> sinks_;
  std::unique_ptr<KvPool> pool_;
  uint32_t seed_ = 100;
};

TEST_P(Interface, AttentionOfRaggedBatches) {
  for (const Attention& c :
       {Attention{4, 2, 16, 16, KvType::kF16}, Attention{3, 3, 20, 37, KvType::kF32},
        Attention{8, 1, 64, 64, KvType::kF16}, Attention{4, 2, 24, 8, KvType::kF16, 20, 0, true},
        Attention{2, 1, 16, 16, KvType::kF32, 0, 2.0F}, Attention{24, 1, 8, 8, KvType::kF32, 0, 0, true},
        Attention{2, 1, 160, 136, KvType::kF16}, Attention{10, 1, 288, 264, KvType::kF32},
        Attention{2, 2, 16, 16, KvType::kF32, 0, 0, false, false}, Attention{4, 2, 20, 36, KvType::kBF16},
        Attention{4, 1, 64, 64, KvType::kQ8_0}, Attention{2, 2, 40, 72, {KvType::kQ8_0, KvType::kF16}},
        Attention{3, 1, 48, 100, {KvType::kF32, KvType::kQ4_0}}, Attention{2, 1, 96, 32, KvType::kQ4_0, 20}}) {
    SCOPED_TRACE(std::to_string(c.heads) + "/" + std::to_string(c.kv_heads) + " heads of " + std::to_string(c.key_dim) +
                 "/" + std::to_string(c.value_dim));
    Conversation conversation(*backend_, c, 3);
    if (!c.causal) {
      conversation.step({5, 40, 1});
      da::test::note_gpu("operations", "attention", "whole texts");
      continue;
    }
    conversation.step({1, 33, 0});
    conversation.step({130, 1, 3});  // one far longer than the others
    conversation.step({1, 1, 1});
    conversation.step({1, 0, 0});
    if (HasFatalFailure()) return;
    da::test::note_gpu("operations", "attention",
                       name_of(c.type) + " " + std::to_string(c.heads) + "/" + std::to_string(c.kv_heads) +
                           " heads of " + std::to_string(c.key_dim) + "/" + std::to_string(c.value_dim));
  }
}

// Who reads beyond its own tokens in a page that was cleared finds zeros, the page beside it is as it was.
TEST_P(Interface, ClearedPagesHoldNothing) {
  constexpr int32_t kDim = 32, kRows = 2 * kPageTokens;
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kQ8_0, KvType::kQ4_0}) {
    SCOPED_TRACE(name_of(type));
    const auto kv =
        std::move(backend_->make_kv_pool({.layers = {{1, 8, 8}, {1, kDim, kDim}}, .type = type, .max_pages = 8}))
            .value();
    ASSERT_TRUE(kv->grow(8).is_ok());
    const auto query = rows(kDim, kRows, random_floats(kRows * kDim, 51)),
               key = rows(kDim, kRows, random_floats(kRows * kDim, 52)),
               value = rows(kDim, kRows, random_floats(kRows * kDim, 53));
    const std::vector<int32_t> tokens(kRows, 1), both = {3, 5};
    const SequenceRows writer{0, kRows, 0, both};
    backend_->begin({.token_ids = tokens, .sequences = {&writer, 1}, .output_rows = {}});
    backend_->rope_store({}, 1, *query, key.get(), value.get(), *kv);
    ASSERT_TRUE(kv->clear(5).is_ok());
    const auto seen_in = [&](int32_t page) {
      const SequenceRows reader{0, 1, kPageTokens - 1, std::span(&page, 1)};
      const auto one = rows(kDim, 1, random_floats(kDim, 54)), seen = rows(kDim, 1);
      backend_->begin({.token_ids = std::span(tokens).first(1), .sequences = {&reader, 1}, .output_rows = {}});
      backend_->attention({.n_heads = 1, .scale = 0.3F}, 1, *one, *kv, *seen);
      float largest = 0;
      for (const float found : read(*seen)) largest = std::isfinite(found) ? std::max(largest, std::fabs(found)) : 1e9F;
      return largest;
    };
    EXPECT_EQ(seen_in(5), 0.0F);
    EXPECT_GT(seen_in(3), 0.01F);
    EXPECT_LT(seen_in(3), 10.0F);
    if (!HasFailure()) da::test::note_gpu("operations", "keys and values", name_of(type));
  }
}

TEST_P(Interface, RotatesNormsAndWarmsHeads) {
  constexpr int32_t kHeads = 3, kDim = 12, kDims = 8, kRows = 5, kFirst = 1000;
  const auto frequencies = vector({1.0F, 0.3F, 0.01F, 0.0005F});
  const auto weights = random_floats(kDim, 31);
  const auto norm = vector(weights);
  const auto kv =
      std::move(backend_->make_kv_pool({.layers = {{1, kDim, 4}}, .type = KvType::kF32, .max_pages = 40})).value();
  ASSERT_TRUE(kv->grow(40).is_ok());
  std::vector<int32_t> pages(40), tokens(kRows, 1);
  for (int32_t i = 0; i < 40; ++i) pages[static_cast<size_t>(i)] = i;
  const SequenceRows sequence{0, kRows, kFirst, pages};
  for (const RopeKind kind : {RopeKind::kInterleaved, RopeKind::kNeox}) {
    const auto q = random_floats(kRows * kHeads * kDim, 32);
    backend_->begin({.token_ids = tokens, .sequences = {&sequence, 1}, .output_rows = {}});
    const auto query = rows(kHeads * kDim, kRows, q);
    RopeSpec spec{.kind = kind,
                  .n_dims = kDims,
                  .frequencies = frequencies.get(),
                  .magnitude = 1.25F,
                  .temperature = 0.1F,
                  .temperature_tokens = 300};
    spec.query_norm = {.kind = NormKind::kRms, .weight = norm.get(), .eps = 0.01F, .dim = kDim};
    backend_->rope_store(spec, 0, *query, nullptr, nullptr, *kv);
    const auto found = read(*query);
    const double warmth = 1 + 0.1 * std::log(1 + 3.0);
    for (int32_t piece = 0; piece < kRows * kHeads; ++piece) {
      const float* in = q.data() + piece * kDim;
      double squares = 0;
      std::vector<double> expected(kDim);
      for (int d = 0; d < kDim; ++d) squares += static_cast<double>(in[d]) * in[d];
      for (int d = 0; d < kDim; ++d)
        expected[static_cast<size_t>(d)] = in[d] / std::sqrt(squares / kDim + 0.01) * weights[static_cast<size_t>(d)];
      const float speeds[] = {1.0F, 0.3F, 0.01F, 0.0005F};
      for (size_t i = 0; i < kDims / 2; ++i) {
        const double angle = static_cast<double>(kFirst + piece / kHeads) * speeds[i];
        double& a = expected[kind == RopeKind::kInterleaved ? 2 * i : i];
        double& b = expected[kind == RopeKind::kInterleaved ? 2 * i + 1 : i + kDims / 2];
        const double rotated = 1.25 * (a * std::cos(angle) - b * std::sin(angle));
        b = 1.25 * (a * std::sin(angle) + b * std::cos(angle));
        a = rotated;
      }
      for (int d = 0; d < kDim; ++d)
        ASSERT_NEAR(found[static_cast<size_t>(piece * kDim + d)], warmth * expected[static_cast<size_t>(d)], 1e-5);
    }
    da::test::note_gpu("operations", "rotation", kind == RopeKind::kNeox ? "halves" : "neighbours");
  }
}

TEST_P(Interface, SelectsRowsAndBearsEmptyBatches) {
  const auto values = random_floats(6 * 40, 41);
  std::vector<int32_t> page = {0}, tokens(6, 1), outputs = {1, 4, 5};
  const SequenceRows sequence{0, 6, 0, page};
  const auto in = rows(40, 6, values), out = rows(40, 3);
  backend_->begin({.token_ids = tokens, .sequences = {&sequence, 1}, .output_rows = outputs});
  backend_->select_outputs(*in, *out);
  const auto found = read(*out);
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 40; ++j) EXPECT_EQ(found[i * 40 + j], values[static_cast<size_t>(outputs[i]) * 40 + j]);
  }
  backend_->begin({.token_ids = tokens, .sequences = {&sequence, 1}, .output_rows = {}});
  backend_->select_outputs(*in, *out);
  backend_->scale(2.0F, *out);
  EXPECT_EQ(backend_->read_rows(*out)->n_rows, 0);
  EXPECT_TRUE(backend_->argmax(*out, {}).is_ok());
  if (!HasFailure()) da::test::note_gpu("operations", "rows", "chosen, and none");
}

INSTANTIATE_TEST_SUITE_P(Backends, Interface, testing::ValuesIn(test::backend_names()),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace da::backend
