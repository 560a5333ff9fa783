// Operations through the interface, against their definitions in plain loops: norms in pieces, tables, experts, heads,
// latent keys, rows to and from the host.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "backend/backends.h"
#include "backend/support.h"
#include "support/gpu_notes.h"

namespace da::backend {
namespace {

using cpu::test::random_floats;

struct Matrix {
  Matrix(std::vector<uint64_t> dims, uint32_t seed) {
    size_t n = 1;
    for (const uint64_t dim : dims) n *= dim;
    values = random_floats(n, seed, 0.3F);
    tensor.name = "w";
    tensor.n_dims = static_cast<uint32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), tensor.dims.begin());
    tensor.size_bytes = n * 4;
    tensor.data = std::as_bytes(std::span(values));
  }
  std::vector<float> values;
  gguf::Tensor tensor;
};

class Operations : public testing::TestWithParam<std::string> {
 protected:
  Operations() : backend_(da::backend::test::make_backend(GetParam())) {}

  std::unique_ptr<Activation> rows(int64_t width, int32_t n_rows, const std::vector<float>& values = {}) {
    auto made = std::move(backend_->make_activation(width, n_rows, {})).value();
    if (!values.empty()) {
      EXPECT_TRUE(backend_->write_rows({values.data(), n_rows, width, width}, *made).is_ok());
    }
    return made;
  }
  std::unique_ptr<Weight> weight(const Matrix& matrix, WeightUse use = {}) {
    return std::move(backend_->load_weight(matrix.tensor, use)).value();
  }
  std::unique_ptr<Vector> vector(const std::vector<float>& values) {
    return std::move(backend_->load_vector(values)).value();
  }
  // One sequence of n rows from `first` on, in one page.
  void begin(int32_t n_rows, int32_t first) {
    tokens_.resize(static_cast<size_t>(n_rows));
    for (size_t i = 0; i < tokens_.size(); ++i) tokens_[i] = static_cast<int32_t>((i * 7 + 3) % 11);
    sequence_ = {.first_row = 0, .n_rows = n_rows, .first_position = first, .pages = page_};
    backend_->begin({.token_ids = tokens_, .sequences = {&sequence_, 1}, .output_rows = outputs_});
  }
  void check_experts(int n_rows);
  std::vector<float> read(const Activation& activation) {
    const RowsView view = *backend_->read_rows(activation);
    std::vector<float> out;
    for (int64_t i = 0; i < view.n_rows; ++i) out.insert(out.end(), view.row(i).begin(), view.row(i).end());
    return out;
  }

  std::unique_ptr<Backend> backend_;
  std::vector<int32_t> tokens_;
  std::vector<int32_t> page_ = {0}, outputs_ = {1};
  SequenceRows sequence_;
};

void note(const std::string& operation, const std::string& form) {
  if (!testing::Test::HasFailure()) da::test::note_gpu("operations", operation, form);
}

void expect_near(const std::vector<float>& found, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], tolerance * (1 + std::fabs(expected[i]))) << "value " << i;
}

TEST_P(Operations, EmbedsTokensPositionsAndARowAddedUp) {
  const Matrix tokens({300, 11}, 1), positions({300, 20}, 2), types({300, 2}, 3);
  const WeightUse use{.rows = true, .product = false};
  const auto token_rows = weight(tokens, use), position_rows = weight(positions, use), type_rows = weight(types, use);
  const auto out = rows(300, 4);
  begin(4, 9);
  backend_->embed({.weight = token_rows.get(), .scale = 2.0F}, *out);
  backend_->embed({.weight = position_rows.get(), .index = EmbedIndex::kPosition, .accumulate = true}, *out);
  backend_->embed({.weight = type_rows.get(), .index = EmbedIndex::kFirst, .accumulate = true}, *out);
  std::vector<double> expected;
  for (size_t r = 0; r < 4; ++r) {
    for (size_t i = 0; i < 300; ++i) {
      expected.push_back(2.0 * tokens.values[static_cast<size_t>(tokens_[r]) * 300 + i] +
                         positions.values[(9 + r) * 300 + i] + types.values[i]);
    }
  }
  expect_near(read(*out), expected, 1e-6);
  note("embedding", "by token, position and one row");
}

TEST_P(Operations, EmbedsRowsOfEveryType) {
  for (const gguf::TensorType type : cpu::test::weight_types()) {
    if (type == gguf::TensorType::kF64) continue;  // no embedding has it
    const gguf::TensorTypeInfo* info = &gguf::tensor_type_info(type);
    const int64_t width = info->values_per_block == 1 ? 37 : info->values_per_block;
    const auto blocks = cpu::test::random_rows(info->type, 11 * width, 40);
    gguf::Tensor tensor{.name = "w", .type = info->type, .n_dims = 2, .dims = {static_cast<uint64_t>(width), 11, 1, 1}};
    tensor.size_bytes = blocks.size();
    tensor.data = blocks;
    auto loaded = backend_->load_weight(tensor, {.rows = true, .product = false});
    ASSERT_TRUE(loaded.is_ok()) << loaded.status().message();
    const auto table = std::move(*loaded);
    const auto out = rows(width, 5);
    begin(5, 0);
    backend_->embed({.weight = table.get(), .scale = 3.0F}, *out);
    std::vector<float> values(static_cast<size_t>(11 * width));
    ASSERT_TRUE(quant::dequantize(info->type, blocks.data(), values.data(), values.size()).is_ok());
    std::vector<double> expected;
    for (size_t r = 0; r < 5; ++r) {
      for (int64_t i = 0; i < width; ++i) expected.push_back(3.0 * values[static_cast<size_t>(tokens_[r] * width + i)]);
    }
    SCOPED_TRACE(info->name);
    expect_near(read(*out), expected, 1e-6);
    note("embedding", std::string(info->name));
  }
}

// Whole rows of odd widths, narrower than a warp and wider than a block, with and without weight and bias.
TEST_P(Operations, NormsRowsOfAnyWidth) {
  for (const size_t width : {size_t{5}, size_t{37}, size_t{700}}) {
    for (const NormKind kind : {NormKind::kRms, NormKind::kLayer}) {
      for (const bool plain : {false, true}) {
        SCOPED_TRACE(std::to_string(width) + (plain ? " plain" : ""));
        const auto values = random_floats(3 * width, 60, 2.0F), weights = random_floats(width, 61),
                   biases = random_floats(width, 62);
        const auto in = rows(static_cast<int64_t>(width), 3, values), out = rows(static_cast<int64_t>(width), 3);
        const auto weight = plain ? nullptr : vector(weights), bias = plain ? nullptr : vector(biases);
        backend_->norm(*in, {.kind = kind, .weight = weight.get(), .bias = bias.get(), .eps = 0.01F}, *out);
        std::vector<double> expected;
        for (size_t r = 0; r < 3; ++r) {
          const float* row = values.data() + r * width;
          double mean = 0, squares = 0;
          if (kind == NormKind::kLayer) mean = std::accumulate(row, row + width, 0.0) / static_cast<double>(width);
          for (size_t i = 0; i < width; ++i) squares += (row[i] - mean) * (row[i] - mean);
          const double factor = 1 / std::sqrt(squares / static_cast<double>(width) + 0.01);
          for (size_t i = 0; i < width; ++i) {
            const double value = (row[i] - mean) * factor;
            expected.push_back(plain ? value : value * weights[i] + biases[i]);
          }
        }
        expect_near(read(*out), expected, 2e-6);
        note("norm", (kind == NormKind::kRms ? "root mean square" : "layer") + std::string(plain ? ", plain" : ""));
      }
    }
  }
}

TEST_P(Operations, GatesOfEveryKind) {
  constexpr size_t kWidth = 37, kRows = 3, kColumn = 41;
  const auto gates = random_floats(kRows * kWidth, 63, 6.0F), ups = random_floats(kRows * (kWidth + kColumn), 64, 6.0F);
  for (const GateKind kind : {GateKind::kSilu, GateKind::kGeluTanh, GateKind::kSwigluOai}) {
    for (const int form : {0, 1, 2}) {  // up beside the gate's columns, up from a column on, no up
      if (form == 2 && kind == GateKind::kSwigluOai) continue;
      const size_t column = form == 1 ? kColumn : 0;
      const auto gate = rows(kWidth, kRows, gates), up = rows(kWidth + kColumn, kRows, ups);
      backend_->gate({.kind = kind, .up_column = static_cast<int64_t>(column)}, *gate, form == 2 ? nullptr : up.get(),
                     *gate);
      std::vector<double> expected;
      for (size_t i = 0; i < gates.size(); ++i) {
        const double x = gates[i],
                     u = form == 2 ? 1.0
                                   : static_cast<double>(ups[i / kWidth * (kWidth + kColumn) + column + i % kWidth]);
        const double capped = std::min(x, 7.0), linear = std::clamp(u, -7.0, 7.0) + 1;
        expected.push_back(kind == GateKind::kSilu ? x / (1 + std::exp(-x)) * u
                           : kind == GateKind::kGeluTanh
                               ? 0.5 * x * (1 + std::tanh(0.7978845608 * (x + 0.044715 * x * x * x))) * u
                               : capped / (1 + std::exp(-1.702 * capped)) * linear);
      }
      SCOPED_TRACE(std::to_string(static_cast<int>(kind)) + " form " + std::to_string(form));
      expect_near(read(*gate), expected, 1e-4);
      note("gate", std::to_string(static_cast<int>(kind)) + " form " + std::to_string(form));
    }
  }
}

TEST_P(Operations, NormsPiecesAndAddsThem) {
  const auto values = random_floats(2 * 24, 4), before = random_floats(2 * 24, 5);
  for (const size_t weight_size : {size_t{0}, size_t{8}, size_t{24}}) {
    const auto weights = random_floats(weight_size, 6);
    const auto in = rows(24, 2, values), out = rows(24, 2, before);
    const auto loaded = weights.empty() ? nullptr : vector(weights);
    backend_->norm(*in, {.kind = NormKind::kRms, .weight = loaded.get(), .eps = 0.01F, .dim = 8, .accumulate = true},
                   *out);
    std::vector<double> expected;
    for (size_t i = 0; i < values.size(); ++i) {
      double squares = 0;
      for (size_t j = i / 8 * 8; j < i / 8 * 8 + 8; ++j) squares += static_cast<double>(values[j]) * values[j];
      const double factor = weights.empty() ? 1.0 : static_cast<double>(weights[i % 24 % weight_size]);
      expected.push_back(before[i] + values[i] / std::sqrt(squares / 8 + 0.01) * factor);
    }
    expect_near(read(*out), expected, 1e-6);
  }
  note("norm", "in pieces, added");
}

void Operations::check_experts(int n_rows) {
  constexpr int kExperts = 8, kUsed = 3, kIn = 20, kOut = 37;
  const int kRows = n_rows;
  const Matrix up({kIn, kOut, kExperts}, 7), down({kOut, kIn, kExperts}, 8);
  const auto w_up = weight(up), w_down = weight(down);
  const auto bias = random_floats(kExperts * kOut, 9), choice_bias = random_floats(kExperts, 10);
  const auto b_up = vector(bias), selection = vector(choice_bias);
  const auto x = random_floats(kRows * kIn, 11), logits = random_floats(kRows * kExperts, 12, 2.0F);
  const auto before = random_floats(kRows * kIn, 13);
  for (const RouteKind kind : {RouteKind::kSoftmax, RouteKind::kSigmoid, RouteKind::kSoftmaxOfChosen}) {
    for (const bool grouped : {false, true}) {
      const RouteSpec spec{.kind = kind,
                           .selection_bias = kind == RouteKind::kSigmoid ? selection.get() : nullptr,
                           .n_groups = grouped ? 4 : 1,
                           .n_groups_used = grouped ? 2 : 1,
                           .normalize = kind == RouteKind::kSigmoid,
                           .scale = 1.5F};
      const std::vector<const Weight*> readers = {w_up.get()};
      const auto routing = std::move(backend_->make_routing(kExperts, kUsed, kRows, kIn, readers)).value();
      const auto in = rows(kIn, kRows, x), scores = rows(kExperts, kRows, logits), out = rows(kIn, kRows, before);
      const auto hidden = rows(kOut, kRows * kUsed), results = rows(kIn, kRows * kUsed);
      backend_->route(spec, *scores, *routing);
      backend_->expert_linear(*in, ExpertInput::kBatchRows, *routing, {{{w_up.get(), hidden.get(), b_up.get()}}});
      backend_->expert_linear(*hidden, ExpertInput::kExpertRows, *routing, {{{w_down.get(), results.get()}}});
      backend_->expert_combine(*results, *routing, 0.5F, true, *out);

      std::vector<double> expected(before.begin(), before.end());
      for (size_t r = 0; r < static_cast<size_t>(kRows); ++r) {
        const float* l = logits.data() + r * kExperts;
        std::vector<double> score(kExperts), candidate(kExperts);
        double sum = 0;
        for (size_t e = 0; e < kExperts; ++e) sum += std::exp(static_cast<double>(l[e]));
        for (size_t e = 0; e < kExperts; ++e) {
          const double value = l[e];
          score[e] = kind == RouteKind::kSoftmax   ? std::exp(value) / sum
                     : kind == RouteKind::kSigmoid ? 1 / (1 + std::exp(-value))
                                                   : value;
          candidate[e] = score[e] + (spec.selection_bias != nullptr ? static_cast<double>(choice_bias[e]) : 0.0);
        }
        std::vector<size_t> order(kExperts);
        std::iota(order.begin(), order.end(), size_t{0});
        if (grouped) {
          const auto group = [&](size_t e) { return candidate[e / 2 * 2] + candidate[e / 2 * 2 + 1]; };
          std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return group(a) > group(b); });
          order.resize(4);
        }
        std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return candidate[a] > candidate[b]; });
        order.resize(kUsed);
        double total = 0;
        for (const size_t e : order) total += kind == RouteKind::kSoftmaxOfChosen ? std::exp(score[e]) : score[e];
        for (const size_t e : order) {
          double share = score[e];
          if (kind == RouteKind::kSoftmaxOfChosen) share = std::exp(score[e]) / total;
          if (spec.normalize) share /= total;
          std::vector<double> middle(kOut);
          for (size_t o = 0; o < kOut; ++o) {
            middle[o] = bias[e * kOut + o];
            for (size_t k = 0; k < kIn; ++k)
              middle[o] += static_cast<double>(up.values[(e * kOut + o) * kIn + k]) * x[r * kIn + k];
          }
          for (size_t o = 0; o < kIn; ++o) {
            double value = 0;
            for (size_t k = 0; k < kOut; ++k) value += down.values[(e * kIn + o) * kOut + k] * middle[k];
            expected[r * kIn + o] += 0.5 * 1.5 * share * value;
          }
        }
      }
      expect_near(read(*out), expected, 1e-5);
      note("experts", std::to_string(kRows) + " rows, routing " + std::to_string(static_cast<int>(kind)) +
                          (grouped ? " in groups" : ""));
    }
  }
}

// Few rows, and so many that an expert has several tiles of them.
TEST_P(Operations, ExpertsOfEachRow) {
  for (const int n_rows : {5, 9, 110}) {
    SCOPED_TRACE(n_rows);
    check_experts(n_rows);
  }
}

TEST_P(Operations, HeadsOfDifferentWidths) {
  constexpr int kHeads = 3, kIn = 20, kOut = 37, kRows = 11, kInStep = 25, kOutStep = 40;
  const Matrix matrix({kIn, kOut, kHeads}, 14);
  const auto w = weight(matrix);
  const auto x = random_floats(kRows * kHeads * kInStep, 15);
  const auto before = random_floats(kRows * kHeads * kOutStep, 16);
  const auto in = rows(kHeads * kInStep, kRows, x), out = rows(kHeads * kOutStep, kRows, before);
  backend_->head_linear(*in, *w, *out);
  std::vector<double> expected(before.begin(), before.end());
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t h = 0; h < kHeads; ++h) {
      for (size_t o = 0; o < kOut; ++o) {
        double value = 0;
        for (size_t k = 0; k < kIn; ++k)
          value += static_cast<double>(matrix.values[(h * kOut + o) * kIn + k]) * x[(r * kHeads + h) * kInStep + k];
        expected[(r * kHeads + h) * kOutStep + o] = value;
      }
    }
  }
  expect_near(read(*out), expected, 1e-5);
  note("product", "heads");
}

TEST_P(Operations, ScalesCapsAndGatesRows) {
  const auto values = random_floats(3 * 10, 17, 4.0F), added = random_floats(3 * 10, 18);
  const std::vector<float> gates = {-1.0F, 0.0F, 3.0F};
  const auto x = rows(10, 3, values), y = rows(10, 3, added), gate = rows(1, 3, gates);
  backend_->scale(0.5F, *x);
  backend_->soft_cap(2.0F, *x);
  backend_->add_gated(*y, *gate, *x);
  std::vector<double> expected;
  for (size_t i = 0; i < values.size(); ++i) {
    expected.push_back(2 * std::tanh(static_cast<double>(values[i]) * 0.5 / 2) +
                       added[i] / (1 + std::exp(-static_cast<double>(gates[i / 10]))));
  }
  expect_near(read(*x), expected, 1e-6);
  for (const char* what : {"scaled", "capped", "added by a gate"}) note("rows", what);
}

TEST_P(Operations, LatentKeysAreSharedByAllHeads) {
  constexpr int kHeads = 2, kPlain = 6, kLatent = 16, kDims = 4, kRows = 3;
  const auto frequencies = vector({0.5F, 0.1F});
  const auto ones = vector(std::vector<float>(kLatent, 1.0F));
  const auto q = random_floats(kRows * kHeads * (kPlain + kDims), 19);
  const auto c = random_floats(kRows * (kLatent + kDims), 20);
  const auto front = random_floats(kRows * kHeads * (kLatent + kDims), 21);
  const auto query = rows(kHeads * (kPlain + kDims), kRows, q), latent = rows(kLatent + kDims, kRows, c);
  const auto absorbed = rows(kHeads * (kLatent + kDims), kRows, front), out = rows(kHeads * kLatent, kRows);
  auto kv = std::move(backend_->make_kv_pool(
                          {.layers = {{1, kLatent + kDims, kLatent}}, .type = KvType::kF32, .max_pages = 1}))
                .value();
  ASSERT_TRUE(kv->grow(1).is_ok());
  begin(kRows, 0);
  const LatentSpec spec{.n_heads = kHeads,
                        .latent_dim = kLatent,
                        .plain_dim = kPlain,
                        .latent_norm = {.kind = NormKind::kRms, .weight = ones.get(), .eps = 0.01F},
                        .rope = {.kind = RopeKind::kInterleaved, .n_dims = kDims, .frequencies = frequencies.get()}};
  backend_->latent_store(spec, 0, *query, *latent, *kv, *absorbed);
  backend_->attention({.n_heads = kHeads, .scale = 0.3F}, 0, *absorbed, *kv, *out);

  const auto rotated = [&](const float* from, size_t position, size_t i) {
    const double angle = static_cast<double>(position) * (i < 2 ? 0.5F : 0.1F);
    const double a = from[i / 2 * 2], b = from[i / 2 * 2 + 1];
    return i % 2 == 0 ? a * std::cos(angle) - b * std::sin(angle) : a * std::sin(angle) + b * std::cos(angle);
  };
  std::vector<std::vector<double>> keys;
  for (size_t r = 0; r < kRows; ++r) {
    const float* row = c.data() + r * (kLatent + kDims);
    double squares = 0;
    for (size_t i = 0; i < kLatent; ++i) squares += static_cast<double>(row[i]) * row[i];
    std::vector<double> key;
    for (size_t i = 0; i < kLatent; ++i) key.push_back(row[i] / std::sqrt(squares / kLatent + 0.01));
    for (size_t i = 0; i < kDims; ++i) key.push_back(rotated(row + kLatent, r, i));
    keys.push_back(key);
  }
  std::vector<double> expected;
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t h = 0; h < kHeads; ++h) {
      std::vector<double> share;
      double total = 0;
      for (size_t t = 0; t <= r; ++t) {
        double score = 0;
        for (size_t i = 0; i < kLatent; ++i) score += front[(r * kHeads + h) * (kLatent + kDims) + i] * keys[t][i];
        for (size_t i = 0; i < kDims; ++i)
          score += rotated(q.data() + (r * kHeads + h) * (kPlain + kDims) + kPlain, r, i) * keys[t][kLatent + i];
        share.push_back(std::exp(0.3 * score));
        total += share.back();
      }
      for (size_t i = 0; i < kLatent; ++i) {
        double value = 0;
        for (size_t t = 0; t <= r; ++t) value += share[t] / total * keys[t][i];
        expected.push_back(value);
      }
    }
  }
  expect_near(read(*out), expected, 1e-5);
  note("attention", "latent");
}

TEST_P(Operations, RowsPassToAnotherBackend) {
  const auto values = random_floats(2 * 30, 22);
  const auto here = rows(30, 2, values);
  auto other = std::move(make_cpu_backend({.n_threads = 1})).value();
  auto there = std::move(other->make_activation(30, 4, {})).value();
  ASSERT_TRUE(other->receive(*backend_, *here, *there).is_ok());
  const RowsView view = *other->read_rows(*there);
  ASSERT_EQ(view.n_rows, 2);
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(view.row(static_cast<int64_t>(i) / 30)[i % 30], values[i]);
  note("rows", "to another backend");
}

// Weights left where they are give, bit for bit, what packed ones do: every type, groups that are full or not, few rows
// and many, several parts.
TEST(MappedWeights, GiveWhatPackedOnesDo) {
  constexpr int64_t kOut = 41, kIn = 512;
  for (const std::string_view isa : cpu_isa_names()) {
    if (!cpu_isa_supported(isa)) continue;
    auto packed = std::move(make_cpu_backend({.n_threads = 2, .isa = std::string(isa)})).value();
    auto mapped = std::move(make_cpu_backend({.n_threads = 2, .isa = std::string(isa), .map_weights = true})).value();
    EXPECT_NE(mapped->description().find("left in the file"), std::string::npos);
    for (uint32_t type_id = 0; type_id < 64; ++type_id) {
      const auto* info = gguf::tensor_type_info(type_id);
      if (info == nullptr || !quant::can_quantize(info->type)) continue;
      const auto values = random_floats(kOut * kIn, 3);
      std::vector<std::byte> bytes(kOut * kIn / info->values_per_block * info->bytes_per_block);
      ASSERT_TRUE(quant::quantize(info->type, values.data(), bytes.data(), values.size()).is_ok());
      gguf::Tensor tensor{.name = "w", .type = info->type, .n_dims = 2, .dims = {kIn, kOut, 1, 1}};
      tensor.size_bytes = bytes.size();
      tensor.data = bytes;
      for (const int32_t n_rows : {1, 5, 30}) {
        std::vector<float> results[2];
        for (Backend* backend : {packed.get(), mapped.get()}) {
          const auto weight = std::move(backend->load_weight(tensor, {.stays = true})).value();
          EXPECT_EQ(weight->size_bytes == 0, backend == mapped.get());
          const Weight* const reader = weight.get();
          const auto in = std::move(backend->make_activation(kIn, n_rows, {&reader, 1})).value();
          const auto out = std::move(backend->make_activation(kOut, n_rows, {})).value();
          const auto input = random_floats(static_cast<size_t>(n_rows) * kIn, 4);
          ASSERT_TRUE(backend->write_rows({input.data(), n_rows, kIn, kIn}, *in).is_ok());
          const LinearSpec product{.weight = weight.get(), .out = out.get()};
          backend->linear(*in, {&product, 1});
          const RowsView view = *backend->read_rows(*out);
          for (int64_t row = 0; row < n_rows; ++row) {
            const auto span = view.row(row);
            results[backend == mapped.get()].insert(results[backend == mapped.get()].end(), span.begin(), span.end());
          }
        }
        EXPECT_EQ(results[0], results[1]) << isa << " " << info->name << " rows " << n_rows;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, Operations, testing::ValuesIn(test::backend_names()),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace da::backend
