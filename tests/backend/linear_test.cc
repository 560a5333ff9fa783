// Products of every packed format on every instruction set, at ragged sizes, against double arithmetic.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "backend/cpu/packing.h"
#include "backend/support.h"
#include "quant/blocks.h"

namespace da::backend::cpu {
namespace {

using gguf::TensorType;

constexpr TensorType kTypes[] = {TensorType::kF32,    TensorType::kF16,     TensorType::kBF16,    TensorType::kQ4_0,
                                 TensorType::kQ4_1,   TensorType::kQ5_0,    TensorType::kQ5_1,    TensorType::kQ8_0,
                                 TensorType::kQ2_K,   TensorType::kQ3_K,    TensorType::kQ4_K,    TensorType::kQ5_K,
                                 TensorType::kQ6_K,   TensorType::kF64,     TensorType::kI8,      TensorType::kIQ4_NL,
                                 TensorType::kIQ4_XS, TensorType::kMXFP4,   TensorType::kQ8_1,    TensorType::kQ1_0,
                                 TensorType::kQ2_0,   TensorType::kTQ1_0,   TensorType::kTQ2_0,   TensorType::kNVFP4,
                                 TensorType::kIQ1_S,  TensorType::kIQ1_M,   TensorType::kIQ2_XXS, TensorType::kIQ2_XS,
                                 TensorType::kIQ2_S,  TensorType::kIQ3_XXS, TensorType::kIQ3_S};

struct Case {
  TensorType type;
  int64_t n_out, n_in;
  int32_t n_rows;
  bool bias, accumulate;
  float scale = 1.0F;
};

int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

// One product through pack_weight and the table, with the first and last groups in separate calls.
std::vector<float> run(const KernelTable& table, const Case& c, const PackedWeight& weight,
                       const std::vector<float>& input, const std::vector<float>& bias,
                       const std::vector<float>& before, int32_t first_row, int32_t n_rows) {
  const int64_t out_stride = round_up(c.n_out, 16), quantized_stride = c.n_in / 32 + 1;
  std::vector<QuantBlock> quantized(static_cast<size_t>(n_rows * quantized_stride));
  const int64_t long_stride = c.n_in / kLongBlock + 1;
  std::vector<QuantLongBlock> long_blocks(static_cast<size_t>(n_rows * long_stride));
  for (int32_t r = 0; r < n_rows; ++r) {
    const float* values = input.data() + (first_row + r) * c.n_in;
    if (weight.wants_blocks()) table.quantize(values, c.n_in, quantized.data() + r * quantized_stride);
    if (weight.wants_long_blocks()) table.quantize_long(values, c.n_in, long_blocks.data() + r * long_stride);
  }
  std::vector<float> out(before.begin() + first_row * out_stride, before.begin() + (first_row + n_rows) * out_stride);
  const auto scratch = std::move(Memory::allocate(kLinearScratchFloats * sizeof(float), "scratch")).value();
  const LinearJob job{.codes = weight.memory.data(),
                      .scales = weight.memory.data() + weight.scales_offset_bytes,
                      .codes_stride_bytes = weight.codes_stride_bytes,
                      .scales_stride_bytes = weight.scales_stride_bytes,
                      .n_in = c.n_in,
                      .n_out = c.n_out,
                      .input = input.data() + first_row * c.n_in,
                      .input_stride = c.n_in,
                      .quantized = quantized.data(),
                      .quantized_stride = quantized_stride,
                      .long_blocks = long_blocks.data(),
                      .long_stride = long_stride,
                      .n_rows = n_rows,
                      .out = out.data(),
                      .out_stride = out_stride,
                      .bias = c.bias ? bias.data() : nullptr,
                      .accumulate = c.accumulate,
                      .scale = c.scale,
                      .unpack = unpack_coded_tile,
                      .type = static_cast<uint32_t>(c.type),
                      .scratch = scratch.floats()};
  const auto product = table.linear[static_cast<size_t>(weight.format)];
  product(job, 0, 1);
  product(job, 1, weight.n_groups());
  return out;
}

// What the shared bias of a row's sums may cost at most, times the activations' scales: every step of a chain rounds a
// number no larger than the bias and a sum of 21 bits, times all scales of a long block.
double chain_error(TensorType type, const std::byte* blocks, int64_t n_in, const std::vector<double>& x_scales) {
  const quant::IntegerFormat& format = *quant::integer_format(type);
  const int n_subs = kLongBlock / format.sub_block;
  double error = 0;
  for (int64_t column = 0; column < n_in; column += kLongBlock) {
    quant::IntegerBlock block;
    quant::unpack_block(type, blocks + column / 256 * gguf::tensor_type_info(type).bytes_per_block, block);
    double scales = std::fabs(quant::half_to_float(block.d_min));
    for (int i = 0; i < n_subs; ++i) {
      const int8_t scale = block.scales[column % 256 / format.sub_block + i];
      scales += std::fabs(quant::half_to_float(block.d) * static_cast<float>(scale));
    }
    const int steps = 2 * n_subs + 3;  // of the chain and of the scales' own sum
    error += x_scales[static_cast<size_t>(column / kLongBlock)] * scales * (kChainBiasValue + 0x1p21) * steps * 0x1p-24;
  }
  return error;
}

// The product of such rows with such inputs.
void check(const KernelTable& table, const Case& c, std::vector<std::byte> rows, const std::vector<float>& input) {
  SCOPED_TRACE(std::string(table.name) + " " + std::string(gguf::tensor_type_info(c.type).name) + " " +
               std::to_string(c.n_out) + "x" + std::to_string(c.n_in) + " rows " + std::to_string(c.n_rows));
  ThreadPool pool(1);
  rows.insert(rows.begin(), std::byte{0});  // an odd address
  gguf::Tensor tensor{.name = "w",
                      .type = c.type,
                      .n_dims = 2,
                      .dims = {static_cast<uint64_t>(c.n_in), static_cast<uint64_t>(c.n_out), 1, 1}};
  tensor.size_bytes = rows.size() - 1;
  tensor.data = std::span(rows).subspan(1);
  Arena arena;
  auto packed = pack_weight(tensor, {}, table, cpu_topology(), pool, &arena);
  ASSERT_TRUE(packed.is_ok()) << packed.status().message();
  const PackedWeight& weight = **packed;

  const int64_t out_stride = round_up(c.n_out, 16);
  const auto bias = test::random_floats(static_cast<size_t>(out_stride), 4);
  const auto before = test::random_floats(static_cast<size_t>(c.n_rows * out_stride), 5);
  const auto out = run(table, c, weight, input, bias, before, 0, c.n_rows);

  std::vector<float> values(static_cast<size_t>(c.n_out * c.n_in));
  ASSERT_TRUE(quant::dequantize(c.type, tensor.data.data(), values.data(), values.size()).is_ok());
  for (int32_t r = 0; r < c.n_rows; ++r) {
    // What the kernel was to multiply with: the row itself, or its 8-bit form computed here by definition.
    std::vector<double> x(static_cast<size_t>(c.n_in)), x_scales;
    const bool quantized = weight.wants_blocks() || weight.wants_long_blocks();
    const int64_t step = weight.wants_long_blocks() ? kLongBlock : 32;
    for (int64_t begin = 0; begin < c.n_in; begin += step) {
      const int64_t end = std::min(begin + step, c.n_in);
      float largest = 0;
      for (int64_t k = begin; k < end; ++k)
        largest = std::max(largest, std::fabs(input[static_cast<size_t>(r * c.n_in + k)]));
      const uint32_t kept = weight.wants_long_blocks() ? ~0U : ~3U;
      const float scale = std::bit_cast<float>(std::bit_cast<uint32_t>(largest / 127.0F) & kept),
                  inverse = 1.0F / scale;
      x_scales.push_back(static_cast<double>(scale));
      for (int64_t k = begin; k < end; ++k) {
        const float value = input[static_cast<size_t>(r * c.n_in + k)];
        x[static_cast<size_t>(k)] = quantized ? static_cast<double>(scale) * std::nearbyint(value * inverse) : value;
      }
    }
    for (int64_t o = 0; o < c.n_out; ++o) {
      double expected = 0, magnitude = 0;
      for (int64_t k = 0; k < c.n_in; ++k) {
        const double term =
            static_cast<double>(values[static_cast<size_t>(o * c.n_in + k)]) * x[static_cast<size_t>(k)];
        expected += term;
        magnitude += std::fabs(term);
      }
      if (c.bias) expected += bias[static_cast<size_t>(o)];
      expected *= static_cast<double>(c.scale);
      if (c.accumulate) expected += before[static_cast<size_t>(r * out_stride + o)];
      // Each float32 addition errs by half a unit of the sum so far. A format with a minimum sums two products that may
      // cancel, of up to 63 steps each.
      const bool has_min = c.type == TensorType::kQ2_K || c.type == TensorType::kQ4_K || c.type == TensorType::kQ5_K;
      const double steps = quantized ? static_cast<double>(c.n_in) / 16 + 8 : static_cast<double>(c.n_in);
      double tolerance = (magnitude * (has_min ? 8 : 1) + 10) * steps * 0x1p-24;
      const bool own_bias = c.type == TensorType::kQ2_K || c.type == TensorType::kQ3_K;
      if (weight.wants_long_blocks() && !own_bias) {
        const int64_t row_bytes = static_cast<int64_t>(tensor.size_bytes) / c.n_out;
        tolerance += chain_error(c.type, tensor.data.data() + o * row_bytes, c.n_in, x_scales);
      }
      ASSERT_NEAR(out[static_cast<size_t>(r * out_stride + o)], expected, tolerance) << "row " << r << " output " << o;
    }
    // Bit for bit what the row gets alone.
    const auto alone = run(table, c, weight, input, bias, before, r, 1);
    ASSERT_EQ(std::memcmp(alone.data(), out.data() + r * out_stride, static_cast<size_t>(c.n_out) * sizeof(float)), 0)
        << "row " << r;
  }
}

void check(const KernelTable& table, const Case& c) {
  std::vector<std::byte> rows;
  if (c.type == TensorType::kF64) {
    rows.resize(static_cast<size_t>(c.n_out * c.n_in) * 8);
    for (int64_t i = 0; i < c.n_out * c.n_in; ++i) {
      const double value = std::sin(static_cast<double>(i));
      std::memcpy(rows.data() + i * 8, &value, 8);
    }
  } else {
    rows = test::random_rows(c.type, c.n_out * c.n_in, 7);
  }
  check(table, c, std::move(rows), test::random_floats(static_cast<size_t>(c.n_rows * c.n_in), 3, 2.0F));
}

TEST(Linear, EveryFormatAndTargetAtRaggedSizes) {
  for (const KernelTable* table : test::tables()) {
    for (const TensorType type : kTypes) {
      const auto block = static_cast<int64_t>(gguf::tensor_type_info(type).values_per_block);
      check(*table, {.type = type,
                     .n_out = 37,
                     .n_in = block == 1 ? 45 : block,
                     .n_rows = 1,
                     .bias = false,
                     .accumulate = false});
      check(*table, {.type = type,
                     .n_out = 83,
                     .n_in = block == 1 ? 131 : 3 * block,
                     .n_rows = 15,
                     .bias = true,
                     .accumulate = false});
      check(*table, {.type = type,
                     .n_out = 17,
                     .n_in = 2 * std::max<int64_t>(block, 32),
                     .n_rows = 6,
                     .bias = true,
                     .accumulate = true,
                     .scale = 0.37F});
    }
  }
}

TEST(Linear, RowsBeyondTheCacheBlock) {
  for (const KernelTable* table : test::tables()) {
    check(*table,
          {.type = TensorType::kQ8_0, .n_out = 17, .n_in = 4096, .n_rows = 141, .bias = false, .accumulate = false});
  }
}

TEST(Linear, ExtremeCodesDoNotOverflow) {
  // Codes of -128 and activations of 127: the largest sums an 8-bit product can make.
  for (const KernelTable* table : test::tables()) {
    ThreadPool pool(1);
    std::vector<std::byte> rows(static_cast<size_t>(32 * 34), std::byte{0x80});
    const uint16_t one = quant::float_to_half(1.0F);
    for (size_t r = 0; r < 32; ++r) std::memcpy(rows.data() + r * 34, &one, 2);
    gguf::Tensor tensor{.name = "w", .type = TensorType::kQ8_0, .n_dims = 2, .dims = {32, 32, 1, 1}};
    tensor.size_bytes = rows.size();
    tensor.data = rows;
    Arena arena;
    const auto weight = pack_weight(tensor, {}, *table, cpu_topology(), pool, &arena);
    ASSERT_TRUE(weight.is_ok());
    const Case c{.type = TensorType::kQ8_0, .n_out = 32, .n_in = 32, .n_rows = 1, .bias = false, .accumulate = false};
    for (const float sign : {1.0F, -1.0F}) {
      const std::vector<float> input(32, sign * 127.0F);
      const auto out = run(*table, c, **weight, input, {}, std::vector<float>(32), 0, 1);
      for (const float value : out) EXPECT_EQ(value, sign * -128.0F * 127.0F * 32.0F) << table->name;
    }
  }
}

TEST(Linear, LargestSumsOf256ColumnsFitBesideTheirBias) {
  constexpr int64_t kOut = 17;
  for (const KernelTable* table : test::tables()) {
    for (const TensorType type : {TensorType::kQ2_K, TensorType::kQ3_K, TensorType::kQ4_K, TensorType::kQ5_K,
                                  TensorType::kQ6_K, TensorType::kIQ4_XS}) {
      const quant::IntegerFormat& format = *quant::integer_format(type);
      for (const bool high : {false, true}) {  // codes; minimums the other way, so that nothing cancels
        quant::IntegerBlock block{.d = quant::float_to_half(1.0F),
                                  .d_min = quant::float_to_half(format.has_min ? 1.0F : 0.0F)};
        for (auto& scale : block.scales) scale = type == TensorType::kQ2_K ? 15 : 31;
        for (auto& min : block.mins) min = format.has_min && !high ? (type == TensorType::kQ2_K ? 15 : 63) : 0;
        for (auto& code : block.codes) code = static_cast<uint8_t>(high ? (1 << format.code_bits) - 1 : 0);
        std::vector<std::byte> rows(kOut * gguf::tensor_type_info(type).bytes_per_block);
        for (size_t at = 0; at < rows.size(); at += rows.size() / kOut)
          quant::pack_block(type, block, rows.data() + at);
        for (const float x : {127.0F, -127.0F}) {
          const Case c{.type = type, .n_out = kOut, .n_in = 256, .n_rows = 13, .bias = false, .accumulate = false};
          check(*table, c, rows, std::vector<float>(static_cast<size_t>(c.n_rows * c.n_in), x));
        }
      }
    }
  }
}

TEST(Linear, EveryTypeOfTheFormatHasAProduct) {
  int n_types = 0;
  for (uint32_t type_id = 0; type_id < 256; ++type_id) {
    const gguf::TensorTypeInfo* info = gguf::tensor_type_info(type_id);
    if (info == nullptr) continue;
    ++n_types;
    const auto size = packed_size(info->type, 16, 256, 16);
    EXPECT_TRUE(size.is_ok()) << info->name;
    if (info->values_per_block == 1 || !size.is_ok()) continue;
    // No block format may grow to floats: a model that fits on the disk must fit in memory.
    EXPECT_LE(size->total_bytes, 16 * 256 / info->values_per_block * info->bytes_per_block * 5 / 4 + 128) << info->name;
  }
  EXPECT_EQ(n_types, 35);
}

}  // namespace
}  // namespace da::backend::cpu
