// What our quantization loses, against what the reference's lost on the same weights.
#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "gguf/gguf.h"
#include "quant/quant.h"
#include "support/golden.h"

namespace da::quant {
namespace {

using gguf::TensorType;
using nlohmann::json;

std::vector<float> values_of(const gguf::Tensor& tensor) {
  std::vector<float> values(tensor.n_values());
  EXPECT_TRUE(dequantize(tensor.type, tensor.data.data(), values.data(), values.size()).is_ok());
  return values;
}

struct Loss {
  double error = 0, power = 0;
  size_t n_values = 0;
  double nmse() const { return error / power; }
  void add(const std::vector<float>& a, const std::vector<float>& exact) {
    n_values += a.size();
    for (size_t i = 0; i < a.size(); ++i) {
      const double difference = static_cast<double>(a[i]) - static_cast<double>(exact[i]);
      error += difference * difference;
      power += static_cast<double>(exact[i]) * static_cast<double>(exact[i]);
    }
  }
};

std::vector<float> quantized(TensorType type, const std::vector<float>& values) {
  const auto& info = gguf::tensor_type_info(type);
  std::vector<std::byte> stored(values.size() / info.values_per_block * info.bytes_per_block);
  std::vector<float> back(values.size());
  EXPECT_TRUE(quantize(type, values.data(), stored.data(), values.size()).is_ok());
  EXPECT_TRUE(dequantize(type, stored.data(), back.data(), back.size()).is_ok());
  return back;
}

// The golden files "one" hold the same weights in each type; those in Q8_0 (NMSE 1e-5) stand for the originals.
TEST(GoldenQuality, LosesNoMoreThanTheReference) {
  const auto base = gguf::File::open(test::golden_path("quants/one-Q8_0.gguf"));
  ASSERT_TRUE(base.is_ok());
  for (const char* name : {"Q4_0",   "Q4_1",   "Q5_0",  "Q5_1",    "Q2_K",   "Q3_K",  "Q4_K",  "Q5_K",
                           "Q6_K",   "IQ1_S",  "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_S", "IQ3_XXS",
                           "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0",   "MXFP4",  "NVFP4", "Q1_0",  "Q2_0"}) {
    const TensorType type = *gguf::tensor_type_from_name(name);
    const auto file = gguf::File::open(test::golden_path("quants/one-" + std::string(name) + ".gguf"));
    ASSERT_TRUE(file.is_ok());
    Loss reference, ours;
    for (const gguf::Tensor& tensor : (*file)->tensors()) {
      if (tensor.type != type || reference.n_values > 200'000) continue;  // enough: some are searched for long
      const std::vector<float> exact = values_of(*(*base)->find_tensor(tensor.name));
      reference.add(values_of(tensor), exact);
      ours.add(quantized(type, exact), exact);
    }
    ASSERT_GT(reference.power, 0) << name;
    std::printf("%-8s reference %.6f ours %.6f (%.3f)\n", name, reference.nmse(), ours.nmse(),
                ours.nmse() / reference.nmse());
    EXPECT_LE(ours.nmse(), reference.nmse()) << name;
  }
}

// The golden blocks of the 16-bit types begin with the random values that were rounded, near enough.
TEST(GoldenQuality, OfRandomNumbersTheSameShareIsLost) {
  const json index = json::parse(test::golden_bytes("blocks/index.json"));
  std::vector<float> values = test::golden_floats("blocks/F16.f32");
  values.resize(2048);
  int n_types = 0;
  for (const json& entry : index["types"]) {
    const auto type = static_cast<TensorType>(entry["type_id"].get<uint32_t>());
    if (!can_quantize(type) || type == TensorType::kF16) continue;
    ++n_types;
    Loss loss;
    loss.add(quantized(type, values), values);
    // Other random numbers of the same kind: their loss scatters by some percent.
    EXPECT_LE(loss.nmse(), 1.15 * entry["quantization_nmse"].get<double>()) << entry["type"];
  }
  EXPECT_EQ(n_types, 26);
}

}  // namespace
}  // namespace da::quant
