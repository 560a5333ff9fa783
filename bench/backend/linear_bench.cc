// The matrix kernels alone: one thread, one matrix, a batch of rows, against the processor's own dot-product peak.
//   bench_linear [TYPE...] [--isa NAME] [--rows N,N,...] [--out N] [--in N]
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/isa.h"
#include "backend/cpu/packing.h"
#include "base/thread_pool.h"
#include "gguf/tensor_type.h"
#include "quant/blocks.h"
#include "quant/quant.h"

namespace {

using da::gguf::TensorType;

// Random valid blocks of `type`, with scales that keep values near 1.
std::vector<std::byte> random_matrix(TensorType type, int64_t n_values) {
  const auto& info = da::gguf::tensor_type_info(type);
  std::vector<std::byte> bytes(static_cast<size_t>(n_values) / info.values_per_block * info.bytes_per_block);
  std::mt19937 random(1);
  const da::quant::IntegerFormat* format = da::quant::integer_format(type);
  if (format == nullptr) {
    for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
      const uint16_t half = type == TensorType::kBF16 ? static_cast<uint16_t>(0x3C00 | (random() & 0x80FF))
                                                      : static_cast<uint16_t>(0x2C00 | (random() & 0x83FF));
      std::memcpy(bytes.data() + i, &half, 2);
    }
    return bytes;
  }
  da::quant::IntegerBlock block;
  block.d = format->brain_scale ? 0x3C00 : da::quant::float_to_half(0.01F);
  block.d_min = format->has_min ? da::quant::float_to_half(0.01F) : 0;
  for (size_t at = 0; at < bytes.size(); at += info.bytes_per_block) {
    for (auto& scale : block.scales) scale = format->has_scales ? static_cast<int8_t>(random() & 31) : int8_t{1};
    for (auto& min : block.mins) min = format->has_scales ? static_cast<uint8_t>(random() & 63) : uint8_t{1};
    for (auto& code : block.codes) code = static_cast<uint8_t>(random() & ((1U << format->code_bits) - 1));
    da::quant::pack_block(type, block, bytes.data() + at);
  }
  return bytes;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Speed of the matrix kernels on one thread");
  std::vector<std::string> types{"Q4_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "F16"};
  std::string isa;
  std::vector<int32_t> row_counts{1, 2, 4, 8, 16, 64, 512};
  int64_t n_out = 2048, n_in = 2048;
  app.add_option("type", types);
  app.add_option("--isa", isa);
  app.add_option("--rows", row_counts)->delimiter(',');
  app.add_option("--out", n_out);
  app.add_option("--in", n_in);
  CLI11_PARSE(app, argc, argv);

  auto chosen = da::backend::cpu::select_kernels(isa);
  if (!chosen.is_ok()) return std::fprintf(stderr, "%s\n", chosen.status().message().c_str()), 1;
  const da::backend::cpu::KernelTable& kernels = **chosen;
  da::ThreadPool pool(1);
  const auto scratch =
      da::backend::cpu::Memory::allocate(da::backend::cpu::kLinearScratchFloats * sizeof(float), "scratch");
  if (!scratch.is_ok()) return std::fprintf(stderr, "%s\n", scratch.status().message().c_str()), 1;
  std::printf("%s, [%ld][%ld], GOPS at rows:\n%-8s", kernels.name, n_out, n_in, "type");
  for (const int32_t n_rows : row_counts) std::printf(" %8d", n_rows);
  std::printf("   GB/s at 1     packing GB/s\n");
  for (const std::string& name : types) {
    const auto type = da::gguf::tensor_type_from_name(name);
    if (!type) return std::fprintf(stderr, "no tensor type %s\n", name.c_str()), 1;
    const std::vector<std::byte> bytes = random_matrix(*type, n_out * n_in);
    da::gguf::Tensor tensor;
    tensor.name = name;
    tensor.type = *type;
    tensor.n_dims = 2;
    tensor.dims = {static_cast<uint64_t>(n_in), static_cast<uint64_t>(n_out), 1, 1};
    tensor.size_bytes = bytes.size();
    tensor.data = bytes;
    da::backend::cpu::Arena arena;
    double pack_seconds = 1e9;
    da::Result<std::unique_ptr<da::backend::cpu::PackedWeight>> packed =
        std::unique_ptr<da::backend::cpu::PackedWeight>();
    for (int run = 0; run < 3; ++run) {
      const auto begin = std::chrono::steady_clock::now();
      arena = {};
      packed = da::backend::cpu::pack_weight(tensor, {}, kernels, da::cpu_topology(), pool, &arena);
      pack_seconds = std::min(pack_seconds, seconds_since(begin));
    }
    if (!packed.is_ok()) return std::fprintf(stderr, "%s\n", packed.status().message().c_str()), 1;
    const auto& weight = **packed;
    std::printf("%-8s", name.c_str());
    double bandwidth = 0;
    for (const int32_t n_rows : row_counts) {
      const int64_t blocks = n_in / 32 + 1;
      std::vector<float> input(static_cast<size_t>(n_rows * n_in));
      std::mt19937 random(2);
      for (float& value : input) value = static_cast<float>(static_cast<int32_t>(random())) * 0x1p-31F;
      std::vector<da::backend::cpu::QuantBlock> quantized(static_cast<size_t>(n_rows * blocks));
      for (int64_t row = 0; row < n_rows; ++row)
        kernels.quantize(input.data() + row * n_in, n_in, quantized.data() + row * blocks);
      const int64_t long_stride = n_in / da::backend::cpu::kLongBlock + 1;
      std::vector<da::backend::cpu::QuantLongBlock> long_blocks(static_cast<size_t>(n_rows * long_stride));
      for (int64_t row = 0; row < n_rows; ++row)
        kernels.quantize_long(input.data() + row * n_in, n_in / 256 * 256, long_blocks.data() + row * long_stride);
      const int64_t out_stride = (n_out + 15) / 16 * 16;
      std::vector<float> out(static_cast<size_t>(n_rows * out_stride));
      const da::backend::cpu::LinearJob job{.codes = weight.codes(0),
                                            .scales = weight.scales(0),
                                            .codes_stride_bytes = weight.codes_stride_bytes,
                                            .scales_stride_bytes = weight.scales_stride_bytes,
                                            .n_in = n_in,
                                            .n_out = n_out,
                                            .input = input.data(),
                                            .input_stride = n_in,
                                            .quantized = quantized.data(),
                                            .quantized_stride = blocks,
                                            .long_blocks = long_blocks.data(),
                                            .long_stride = long_stride,
                                            .n_rows = n_rows,
                                            .out = out.data(),
                                            .out_stride = out_stride,
                                            .bias = nullptr,
                                            .accumulate = false,
                                            .scale = 1.0F,
                                            .unpack = da::backend::cpu::unpack_coded_tile,
                                            .type = static_cast<uint32_t>(*type),
                                            .scratch = scratch->floats()};
      double best = 1e9;
      const auto start = std::chrono::steady_clock::now();
      for (int run = 0; run < 3 || (seconds_since(start) < 0.2 && run < 1000); ++run) {
        const auto begin = std::chrono::steady_clock::now();
        kernels.linear[static_cast<size_t>(weight.format)](job, 0, weight.n_groups());
        best = std::min(best, seconds_since(begin));
      }
      std::printf(" %8.1f", 2e-9 * static_cast<double>(n_out * n_in) * n_rows / best);
      if (n_rows == 1) bandwidth = 1e-9 * static_cast<double>(weight.size_bytes) / best;
    }
    std::printf("   %8.1f %8.2f\n", bandwidth, 1e-9 * static_cast<double>(bytes.size()) / pack_seconds);
  }
}
